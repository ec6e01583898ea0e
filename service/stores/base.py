"""What the service asks of a session store."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from model.contract import SupportSet
from service.schemas import RegisterMode


class SessionKey(NamedTuple):
    """The key of a session; with another owner it is not found.

    owner: who made it; empty where callers are not told apart.
    session_id: fresh and unguessable.
    """

    owner: str
    session_id: str


class SessionContent(NamedTuple):
    """The content of a session, without its key; `created` in seconds since the epoch.

    classes: support sets by class name, in order of registration; they never change under the
        reader.
    """

    model: str
    created: float
    classes: Mapping[str, SupportSet]

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays of all classes."""
        return sum(supports.nbytes for supports in self.classes.values())

    def with_shots(
        self, class_name: str, supports: SupportSet, mode: RegisterMode
    ) -> "SessionContent":
        """The content after a `put`; see `SessionStore.put`."""
        known = self.classes.get(class_name) if mode == "append" else None
        if known is not None:
            supports = known.extended(supports)
        return self._replace(classes={**self.classes, class_name: supports})

    def without_class(self, class_name: str) -> "SessionContent":
        """The content after a class is forgotten."""
        classes = {name: each for name, each in self.classes.items() if name != class_name}
        return self._replace(classes=classes)


class Session(NamedTuple):
    """A snapshot of a session; `expires_at` in seconds since the epoch."""

    key: SessionKey
    content: SessionContent
    expires_at: float

    @property
    def session_id(self) -> str:
        """Its id, as clients know it."""
        return self.key.session_id

    @property
    def model(self) -> str:
        """The network that made its prototypes, name and revision."""
        return self.content.model

    @property
    def created(self) -> float:
        """When it was made, in seconds since the epoch."""
        return self.content.created

    @property
    def classes(self) -> Mapping[str, SupportSet]:
        """Its classes in order of registration."""
        return self.content.classes


class IdempotencyToken(NamedTuple):
    """Makes a change idempotent: it happens once, however often it is requested.

    key: chosen by the caller, another one for each of its changes.
    fingerprint: of the request, so that a key that comes again with another request is noticed.
    """

    key: str
    fingerprint: str


class SessionLimits(NamedTuple):
    """What a session may hold and how long it lives after its last use.

    What an owner's sessions may hold together counts only where owners are told apart. Bytes are
    those of the arrays.
    """

    ttl_s: float
    max_classes: int
    max_shots: int
    max_owner_sessions: int
    max_owner_bytes: int


class SessionStore(Protocol):
    """Sessions by key. Every successful call on a session starts its time to live again.

    Calls are atomic: of concurrent appends to one class none is lost, and limits hold whoever
    else writes. A store that cannot be reached raises StoreUnavailableError from every call; of a
    call that changes something it is then unknown whether it did, so it may only be repeated with
    the same `once`: a change that was made is not made again for `ttl_s`, whoever asks the store.
    """

    async def create(
        self,
        key: SessionKey,
        model: str,
        class_name: str,
        supports: SupportSet,
        once: IdempotencyToken | None = None,
    ) -> Session:
        """Make a session with its first class; if `once` did so before, the session it made then.

        Raises:
            LimitExceededError, IdempotencyKeyReusedError.
            SessionNotFoundError: the session that it made then is gone.
        """

    async def restore(self, key: SessionKey, content: SessionContent) -> tuple[Session, bool]:
        """Make a session with that content, or replace what an existing one holds by it.

        Returns:
            The session, and whether there was none.

        Raises:
            LimitExceededError.
        """

    async def put(
        self,
        key: SessionKey,
        model: str,
        class_name: str,
        supports: SupportSet,
        mode: RegisterMode,
        once: IdempotencyToken | None = None,
    ) -> Session:
        """Add shots to a class, or put them in the place of those it has; makes the class if new.

        Shots added without a refit leave the class its own; a refit that comes takes its place.
        If `once` did so before, the session is left as it is.

        Raises:
            SessionNotFoundError, LimitExceededError, IdempotencyKeyReusedError.
            ModelMismatchError: another network than `model` made the session.
        """

    async def find_done(self, owner: str, once: IdempotencyToken) -> SessionKey | None:
        """The session that `once` changed already, whether or not it is still there.

        Raises:
            IdempotencyKeyReusedError.
        """

    async def get(self, key: SessionKey) -> Session:
        """The session as it is now.

        Raises:
            SessionNotFoundError: unknown or expired.
        """

    async def delete(self, key: SessionKey) -> None:
        """Forget a session.

        Raises:
            SessionNotFoundError: unknown or expired.
        """

    async def delete_class(self, key: SessionKey, class_name: str) -> None:
        """Forget one class of a session; the session stays, even without any class.

        Raises:
            SessionNotFoundError, ClassNotFoundError.
        """

    async def ping(self) -> None:
        """Return if the store takes what a query asks of it; raise StoreUnavailableError if not."""

    async def close(self) -> None:
        """Close all connections; the last call."""
