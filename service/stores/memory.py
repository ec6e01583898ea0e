"""Sessions in the memory of this process."""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from model.contract import SupportSet
from service.errors import ClassNotFoundError, ModelMismatchError, SessionNotFoundError
from service.schemas import RegisterMode
from service.stores.base import (
    IdempotencyToken,
    Session,
    SessionContent,
    SessionKey,
    SessionLimits,
)
from service.stores.receipts import Receipts
from service.stores.refusals import refusal


class _Held(NamedTuple):
    """What a session holds, and when it expires by the store's `clock`."""

    content: SessionContent
    until: float


class MemoryStore:
    """A bounded store; when full, the least recently used session is evicted.

    No method awaits between reading and writing, so on one event loop each is atomic. Snapshots
    are never changed, only exchanged for new ones.

    Args:
        limits: of one session and of one owner.
        max_sessions: of the store; it remembers as many changes that are to be made once.
        max_bytes: of the arrays of all prototypes.
        clock: seconds, monotonic; sessions live by it, so that setting the time ends none.
        wall_clock: seconds since the epoch, which are only told.
    """

    def __init__(
        self,
        limits: SessionLimits,
        *,
        max_sessions: int,
        max_bytes: int,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._limits = limits
        self._max_sessions = max_sessions
        self._max_bytes = max_bytes
        self._clock = clock
        self._wall_clock = wall_clock
        # Least recently used first; every use extends the TTL alike, so also first to expire.
        self._sessions: OrderedDict[SessionKey, _Held] = OrderedDict()
        self._total_bytes = 0
        self._owner_sessions: Counter[str] = Counter()
        self._owner_bytes: Counter[str] = Counter()
        self._receipts = Receipts(limits.ttl_s, capacity=max_sessions, clock=clock)

    @property
    def sessions(self) -> int:
        """Sessions held, with those that have expired since the last use of any."""
        return len(self._sessions)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays of all prototypes."""
        return self._total_bytes

    async def create(
        self,
        key: SessionKey,
        model: str,
        class_name: str,
        supports: SupportSet,
        once: IdempotencyToken | None = None,
    ) -> Session:
        """See `SessionStore.create`."""
        if once is not None and (done := self._receipts.find(key.owner, once)) is not None:
            return await self.get(done)
        content = SessionContent(model, self._wall_clock(), {class_name: supports})
        return self._write(key, content, once)

    async def restore(self, key: SessionKey, content: SessionContent) -> tuple[Session, bool]:
        """See `SessionStore.restore`."""
        self._expire()
        is_new = key not in self._sessions
        return self._write(key, content), is_new

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
        if once is not None and (done := self._receipts.find(key.owner, once)) is not None:
            return await self.get(done)
        content = self._living(key)
        if content.model != model:
            raise ModelMismatchError
        return self._write(key, content.with_shots(class_name, supports, mode), once)

    async def find_done(self, owner: str, once: IdempotencyToken) -> SessionKey | None:
        """See `SessionStore.find_done`."""
        return self._receipts.find(owner, once)

    async def get(self, key: SessionKey) -> Session:
        """See `SessionStore.get`."""
        return self._keep(key, self._living(key))

    async def delete(self, key: SessionKey) -> None:
        """See `SessionStore.delete`."""
        self._living(key)
        self._forget(key)

    async def delete_class(self, key: SessionKey, class_name: str) -> None:
        """See `SessionStore.delete_class`."""
        content = self._living(key)
        if class_name not in content.classes:
            raise ClassNotFoundError(f"the session has no class {class_name!r}")
        self._write(key, content.without_class(class_name))

    async def ping(self) -> None:
        """See `SessionStore.ping`."""

    async def close(self) -> None:
        """See `SessionStore.close`."""

    def _living(self, key: SessionKey) -> SessionContent:
        self._expire()
        held = self._sessions.get(key)
        if held is None:
            raise SessionNotFoundError
        return held.content

    def _write(
        self, key: SessionKey, content: SessionContent, once: IdempotencyToken | None = None
    ) -> Session:
        """Check the limits, evict others, and store the session; no change when refused."""
        self._expire()
        self._check(key, content)
        self._forget(key)
        while self._sessions and (
            len(self._sessions) >= self._max_sessions
            or self._total_bytes + content.nbytes > self._max_bytes
        ):
            self._forget(next(iter(self._sessions)))
        self._total_bytes += content.nbytes
        self._owner_sessions[key.owner] += 1
        self._owner_bytes[key.owner] += content.nbytes
        if once is not None:
            self._receipts.add(once, key)
        return self._keep(key, content)

    def _keep(self, key: SessionKey, content: SessionContent) -> Session:
        self._sessions[key] = _Held(content, self._clock() + self._limits.ttl_s)
        self._sessions.move_to_end(key)
        return Session(key, content, self._wall_clock() + self._limits.ttl_s)

    def _check(self, key: SessionKey, content: SessionContent) -> None:
        limits = self._limits
        if len(content.classes) > limits.max_classes:
            raise refusal("classes", limits)
        if any(len(each.shots) > limits.max_shots for each in content.classes.values()):
            raise refusal("shots", limits)
        if content.nbytes > self._max_bytes:
            raise refusal("session_bytes", limits)
        if key.owner:
            self._check_owner(key, content.nbytes)

    def _check_owner(self, key: SessionKey, nbytes: int) -> None:
        """What the session holds now makes room for what it is to hold."""
        before = self._sessions.get(key)
        others = self._owner_sessions[key.owner] - (before is not None)
        held = self._owner_bytes[key.owner] - (before.content.nbytes if before else 0)
        if others >= self._limits.max_owner_sessions:
            raise refusal("owner_sessions", self._limits)
        if held + nbytes > self._limits.max_owner_bytes:
            raise refusal("owner_bytes", self._limits)

    def _expire(self) -> None:
        now = self._clock()
        while self._sessions:
            key, oldest = next(iter(self._sessions.items()))
            if oldest.until > now:
                return
            self._forget(key)

    def _forget(self, key: SessionKey) -> None:
        held = self._sessions.pop(key, None)
        if held is None:
            return
        self._total_bytes -= held.content.nbytes
        self._owner_bytes[key.owner] -= held.content.nbytes
        self._owner_sessions[key.owner] -= 1
        if not self._owner_sessions[key.owner]:  # or the counters grow with every owner ever seen
            del self._owner_sessions[key.owner], self._owner_bytes[key.owner]
