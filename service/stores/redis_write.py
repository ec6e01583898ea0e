"""What the script that writes is asked for, and what it answers (`redis_scripts.WRITE`)."""

import json
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from model.contract import SupportSet
from service.schemas import RegisterMode
from service.stores.base import IdempotencyToken, SessionLimits
from service.stores.codec import encode_supports
from service.stores.redis_link import Answer

# Made once: `json.dumps` makes one for every call that does not escape.
_ENCODER = json.JSONEncoder(ensure_ascii=False)


class Change(NamedTuple):
    """A change of a session.

    mode: `whole` makes it anew, with these classes alone; for the others see `SessionStore.put`.
    created_ms: of a session that is made anew and older than that, in ms since the epoch.
    once: makes the change idempotent.
    """

    mode: RegisterMode | Literal["whole"]
    model: str
    classes: Mapping[str, SupportSet]
    created_ms: int | None = None
    once: IdempotencyToken | None = None


class Written(NamedTuple):
    """A change that was made; times in ms since the epoch, by the clock of Redis.

    before: the version that it took the place of; empty where there was none.
    """

    before: bytes
    now_ms: int
    created_ms: int


class DoneBefore(NamedTuple):
    """A change that is not made again, and the id of the session that it was made to."""

    session_id: str


def write_change(
    change: Change, session_id: str, limits: SessionLimits, max_bytes: int
) -> list[str | bytes]:
    """The last arguments of the script: the request as JSON, then the chunk of each class.

    Args:
        change: what to do.
        session_id: as callers know it, for the receipt.
        limits: of the session and of its owner.
        max_bytes: of the arrays of the session.
    """
    request: dict[str, Any] = {
        "mode": change.mode,
        "model": change.model,
        "classes": [
            {
                "name": name,
                "shots": len(supports.shots),
                "bytes": supports.nbytes,
                "most": supports.most_nbytes,
                "kind": _kind(supports),
            }
            for name, supports in change.classes.items()
        ],
        "max_classes": limits.max_classes,
        "max_shots": limits.max_shots,
        "max_bytes": max_bytes,
        "max_owner_sessions": limits.max_owner_sessions,
        "max_owner_bytes": limits.max_owner_bytes,
    }
    if change.created_ms is not None:
        request["created"] = change.created_ms
    if change.once is not None:
        request |= {"fingerprint": change.once.fingerprint, "session": session_id}
    chunks = map(encode_supports, change.classes.values())
    return [_ENCODER.encode(request), *chunks]


def _kind(supports: SupportSet) -> str:
    """What it has besides shots. Classes of the same kind make one of as many bytes as both."""
    optional = (supports.close_up, supports.identities, supports.judgements)
    return "".join("0" if each is None else "1" for each in optional)


def read_outcome(answer: Answer) -> Written | DoneBefore:
    """The answer of the script, where nothing was in the way."""
    word, *told = answer
    return DoneBefore(told[0].decode()) if word == b"done" else Written(*told)
