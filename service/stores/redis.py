"""Sessions in Redis, for several replicas and beyond their restarts."""

import asyncio
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import get_args

from model.contract import SupportSet
from service.errors import (
    ClassNotFoundError,
    IdempotencyKeyReusedError,
    ModelMismatchError,
    SessionNotFoundError,
)
from service.schemas import RegisterMode
from service.stores import redis_scripts
from service.stores.base import (
    IdempotencyToken,
    Session,
    SessionContent,
    SessionKey,
    SessionLimits,
)
from service.stores.local_copies import LocalCopies
from service.stores.redis_link import Answer, Argument, RedisLink, Script
from service.stores.redis_record import read_content, read_nbytes
from service.stores.redis_write import Change, DoneBefore, Written, read_outcome, write_change
from service.stores.refusals import Limit, refusal
from service.stores.shared_calls import SharedCalls
from service.stores.tensors import ShotSpec
from service.stores.transfer_turns import TransferTurns
from service.uninterrupted import result_of
from service.units import MIB

_LIMITS = get_args(Limit)
_VERSION_BYTES = 16
_PROBE_TTL_MS = 1
_PROBE_OWNED = 0  # as a session of no owner
# Of sessions that are fetched at once; each takes three times its bytes until it is decoded.
_FETCH_BYTES = 64 * MIB


class RedisStore:
    """Every call is one script, which Redis runs in one atomic step.

    Decoded sessions are held here too, and used as long as Redis names the same version.

    Args:
        url: `redis://`, `rediss://` or `unix://`; may hold credentials.
        limits: of one session and of one owner.
        max_bytes: of the arrays of the sessions held here, and so of one session.
        prefix: of every key.
        timeout_s: for each answer of Redis; large ones may take longer, see `RedisLink`.
        specs: by model, what shots must be like; see `codec.decode_session`.
    """

    def __init__(
        self,
        url: str,
        limits: SessionLimits,
        *,
        max_bytes: int,
        prefix: str = "fss",
        timeout_s: float = 2.0,
        specs: Mapping[str, ShotSpec] | None = None,
    ) -> None:
        self._link = RedisLink(url, timeout_s)
        self._limits = limits
        self._max_bytes = max_bytes
        self._prefix = prefix
        self._specs = {} if specs is None else specs
        self._copies = LocalCopies(max_bytes, limits.ttl_s)
        self._fetches: SharedCalls[SessionKey, SessionContent] = SharedCalls()
        self._turns = TransferTurns(_FETCH_BYTES)
        self._probe = self._link.script("probe", redis_scripts.PROBE)
        self._index = self._link.script("index", redis_scripts.INDEX)
        self._touch = self._link.script("touch", redis_scripts.TOUCH)
        self._write = self._link.script("write", redis_scripts.WRITE)
        self._delete = self._link.script("delete", redis_scripts.DELETE)
        self._delete_class = self._link.script("delete_class", redis_scripts.DELETE_CLASS)

    @property
    def sessions(self) -> int:
        """Sessions of which this process holds a copy."""
        return len(self._copies)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays of these copies."""
        return self._copies.nbytes

    async def create(
        self,
        key: SessionKey,
        model: str,
        class_name: str,
        supports: SupportSet,
        once: IdempotencyToken | None = None,
    ) -> Session:
        """See `SessionStore.create`."""
        session, _ = await self._make(
            key, Change("whole", model, {class_name: supports}, once=once)
        )
        return session

    async def restore(self, key: SessionKey, content: SessionContent) -> tuple[Session, bool]:
        """See `SessionStore.restore`."""
        created_ms = round(content.created * 1000)
        return await self._make(key, Change("whole", content.model, content.classes, created_ms))

    async def put(
        self,
        key: SessionKey,
        model: str,
        class_name: str,
        supports: SupportSet,
        mode: RegisterMode,
        once: IdempotencyToken | None = None,
    ) -> Session:
        """See `SessionStore.put`."""
        version = _new_version()
        change = Change(mode, model, {class_name: supports}, once=once)
        outcome = await self._run_write(key, version, change)
        if isinstance(outcome, DoneBefore):
            return await self.get(key._replace(session_id=outcome.session_id))
        known = self._copies.find(key, outcome.before)
        if known is None:
            content = await self._content(key, version)
        else:
            content = known.with_shots(class_name, supports, mode)
            self._copies.keep(key, version, content)
        return self._session(key, content, outcome.now_ms)

    async def find_done(self, owner: str, once: IdempotencyToken) -> SessionKey | None:
        """See `SessionStore.find_done`."""
        found = await self._link.read(self._receipt(owner, once))
        if not found:
            return None
        if found[b"fingerprint"].decode() != once.fingerprint:
            raise IdempotencyKeyReusedError
        return SessionKey(owner, found[b"session"].decode())

    async def get(self, key: SessionKey) -> Session:
        """See `SessionStore.get`."""
        _, version, now = await self._run(self._touch, key)
        return self._session(key, await self._content(key, version), now)

    async def delete(self, key: SessionKey) -> None:
        """See `SessionStore.delete`."""
        self._copies.drop(key)
        await self._run(self._delete, key)

    async def delete_class(self, key: SessionKey, class_name: str) -> None:
        """See `SessionStore.delete_class`."""
        self._copies.drop(key)
        answer = await self._run(self._delete_class, key, [_new_version(), class_name])
        if answer[0] == b"class":
            raise ClassNotFoundError(f"the session has no class {class_name!r}")

    async def ping(self) -> None:
        """See `SessionStore.ping`."""
        # What every script begins with: see `redis_scripts`.
        arguments = [_PROBE_TTL_MS, _PROBE_OWNED]
        await self._link.probe(self._probe, [f"{self._prefix}:probe"] * 3, arguments)

    async def close(self) -> None:
        """See `SessionStore.close`."""
        await self._fetches.close()
        await self._link.close()

    async def _make(self, key: SessionKey, change: Change) -> tuple[Session, bool]:
        """Make a session anew; whether there was none."""
        version = _new_version()
        outcome = await self._run_write(key, version, change)
        if isinstance(outcome, DoneBefore):
            return await self.get(key._replace(session_id=outcome.session_id)), False
        content = SessionContent(change.model, outcome.created_ms / 1000, change.classes)
        self._copies.keep(key, version, content)
        return self._session(key, content, outcome.now_ms), not outcome.before

    async def _run_write(
        self, key: SessionKey, version: bytes, change: Change
    ) -> Written | DoneBefore:
        written = await asyncio.to_thread(
            write_change, change, key.session_id, self._limits, self._max_bytes
        )
        return read_outcome(await self._run(self._write, key, [version, *written], change.once))

    async def _run(
        self,
        script: Script,
        key: SessionKey,
        arguments: Sequence[Argument] = (),
        once: IdempotencyToken | None = None,
    ) -> Answer:
        """The answer of a script.

        Raises:
            SessionNotFoundError, ModelMismatchError, LimitExceededError, StoreUnavailableError,
            IdempotencyKeyReusedError.
        """
        keys = self._keys(key)
        if once is not None:
            keys.append(self._receipt(key.owner, once))
        owned = int(bool(key.owner))
        ttl_ms = max(1, round(self._limits.ttl_s * 1000))
        answer = await self._link.run(script, keys, [ttl_ms, owned, *arguments])
        word = answer[0].decode()
        if word in _LIMITS:
            raise refusal(word, self._limits)
        if word == "unknown":
            self._copies.drop(key)
            raise SessionNotFoundError
        if word == "model":
            raise ModelMismatchError
        if word == "reused":
            raise IdempotencyKeyReusedError
        return answer

    async def _content(self, key: SessionKey, version: bytes) -> SessionContent:
        """The session at that version or a later one; concurrent callers share one fetch."""
        content = self._copies.find(key, version)
        if content is None and self._fetches.running(key):
            # It may have begun before there was that version; one that begins from here on has not.
            with suppress(SessionNotFoundError):
                await self._fetches.join(key, partial(self._fetch, key))
            content = self._copies.find(key, version)
        if content is None:
            content = await self._fetches.join(key, partial(self._fetch, key))
        return content

    async def _fetch(self, key: SessionKey) -> SessionContent:
        """The session as it is now, which may be later than what was asked about."""
        _, index = await self._run(self._index, key)
        nbytes = min(read_nbytes(index), self._max_bytes)
        # Waiting for its turn counts for the request's deadline, and not for that of an answer.
        async with self._turns.hold(nbytes):
            record = await self._link.read(self._keys(key)[0], nbytes)
            if not record:
                raise SessionNotFoundError
            content = await self._decode(record)
            self._copies.keep(key, record[b"version"], content)
        return content

    async def _decode(self, record: Mapping[bytes, bytes]) -> SessionContent:
        """A cancellation waits for the thread, which holds the bytes and cannot be stopped."""
        decoding = asyncio.to_thread(read_content, record, self._specs)
        return await result_of(asyncio.create_task(decoding))

    def _session(self, key: SessionKey, content: SessionContent, now_ms: int) -> Session:
        return Session(key, content, now_ms / 1000 + self._limits.ttl_s)

    def _keys(self, key: SessionKey) -> list[str]:
        """The names of a session's keys: digests, since they show up in logs and tools of Redis."""
        owner = _digest(key.owner)
        session = _digest(owner + key.session_id)  # the first is of one length, so no two are alike
        return [
            f"{self._prefix}:session:{session}",
            f"{self._prefix}:owner:{owner}:expiries",
            f"{self._prefix}:owner:{owner}:sizes",
        ]

    def _receipt(self, owner: str, once: IdempotencyToken) -> str:
        return f"{self._prefix}:once:{_digest(_digest(owner) + once.key)}"


def _new_version() -> bytes:
    """A version never used before, whatever Redis may have lost or been restored to."""
    return secrets.token_bytes(_VERSION_BYTES)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
