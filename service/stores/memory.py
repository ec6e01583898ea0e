"""Sessions in the memory of this process."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping

from model.contract import SupportSet
from service.errors import (
    ClassNotFoundError,
    LimitExceededError,
    SessionNotFoundError,
)
from service.stores.base import Mode, Session, SessionKey, SessionLimits

Classes = Mapping[str, SupportSet]


class MemoryStore:
    """A bounded store; when full, the session that was longest unused makes room.

    No method awaits between reading and writing, so on one event loop each is atomic. Snapshots
    are never changed, only exchanged for new ones.

    Args:
        limits: of one session.
        max_sessions: of the store.
        max_bytes: of the arrays of all prototypes.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        limits: SessionLimits,
        *,
        max_sessions: int,
        max_bytes: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._limits = limits
        self._max_sessions = max_sessions
        self._max_bytes = max_bytes
        self._clock = clock
        # Least recently used first; every use extends the TTL alike, so also first to expire.
        self._sessions: OrderedDict[SessionKey, Session] = OrderedDict()
        self._nbytes: dict[SessionKey, int] = {}
        self._total_bytes = 0

    @property
    def sessions(self) -> int:
        """Sessions held, with those that have expired since the last use of any."""
        return len(self._sessions)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays of all prototypes."""
        return self._total_bytes

    async def create(
        self, key: SessionKey, model: str, class_name: str, supports: SupportSet
    ) -> Session:
        """See `SessionStore.create`."""
        now = self._clock()
        session = Session(key, model, now, now, {class_name: supports})
        return self._write(session)

    async def put(
        self, key: SessionKey, class_name: str, supports: SupportSet, mode: Mode
    ) -> Session:
        """See `SessionStore.put`."""
        session = self._living(key)
        known = session.classes.get(class_name) if mode == "append" else None
        if known is not None:
            supports = known.extended(supports)
        classes = {**session.classes, class_name: supports}
        return self._write(session._replace(classes=classes))

    async def get(self, key: SessionKey) -> Session:
        """See `SessionStore.get`."""
        return self._touch(self._living(key))

    async def delete(self, key: SessionKey) -> None:
        """See `SessionStore.delete`."""
        self._living(key)
        self._forget(key)

    async def delete_class(self, key: SessionKey, class_name: str) -> None:
        """See `SessionStore.delete_class`."""
        session = self._living(key)
        if class_name not in session.classes:
            raise ClassNotFoundError(f"the session has no class {class_name!r}")
        classes = {k: v for k, v in session.classes.items() if k != class_name}
        self._write(session._replace(classes=classes))

    def _living(self, key: SessionKey) -> Session:
        self._expire()
        session = self._sessions.get(key)
        if session is None:
            raise SessionNotFoundError
        return session

    def _write(self, session: Session) -> Session:
        """Check the limits, make room, and take the session in; unchanged when refused."""
        self._check(session.classes)
        nbytes = _nbytes(session.classes)
        if nbytes > self._max_bytes:
            raise LimitExceededError("the session is larger than the whole store")
        self._expire()
        self._forget(session.key)
        while self._sessions and (
            len(self._sessions) >= self._max_sessions
            or self._total_bytes + nbytes > self._max_bytes
        ):
            self._forget(next(iter(self._sessions)))
        self._nbytes[session.key] = nbytes
        self._total_bytes += nbytes
        return self._touch(session)

    def _touch(self, session: Session) -> Session:
        session = session._replace(expires_at=self._clock() + self._limits.ttl_s)
        self._sessions[session.key] = session
        self._sessions.move_to_end(session.key)
        return session

    def _check(self, classes: Classes) -> None:
        if len(classes) > self._limits.max_classes:
            raise LimitExceededError(f"a session holds at most {self._limits.max_classes} classes")
        if any(len(each.shots) > self._limits.max_shots for each in classes.values()):
            raise LimitExceededError(f"a class holds at most {self._limits.max_shots} shots")

    def _expire(self) -> None:
        now = self._clock()
        while self._sessions:
            oldest = next(iter(self._sessions.values()))
            if oldest.expires_at > now:
                return
            self._forget(oldest.key)

    def _forget(self, key: SessionKey) -> None:
        self._sessions.pop(key, None)
        self._total_bytes -= self._nbytes.pop(key, 0)


def _nbytes(classes: Classes) -> int:
    return sum(support_set.nbytes for support_set in classes.values())
