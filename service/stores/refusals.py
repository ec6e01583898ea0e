"""Errors of a full store, with messages that say what to do about it."""

from typing import Literal

from service.errors import LimitExceededError
from service.stores.base import SessionLimits

Limit = Literal["classes", "shots", "session_bytes", "owner_sessions", "owner_bytes"]


def refusal(limit: Limit, limits: SessionLimits) -> LimitExceededError:
    """The error of a write that would break a limit."""
    return LimitExceededError(_DETAILS[limit].format_map(limits._asdict()))


_DETAILS: dict[Limit, str] = {
    "classes": "a session holds at most {max_classes} classes",
    "shots": "a class holds at most {max_shots} shots",
    "session_bytes": "the session is larger than the whole store",
    "owner_sessions": "you have {max_owner_sessions} sessions, which is the most; delete one, "
    "register into one of them, or wait until one expires",
    "owner_bytes": "your sessions would hold more than {max_owner_bytes} bytes together; delete "
    "sessions or classes, or send fewer shots",
}
