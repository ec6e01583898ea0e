"""What the service asks of a session store."""

from collections.abc import Mapping
from typing import Literal, NamedTuple, Protocol

from model.contract import SupportSet

Mode = Literal["append", "replace"]


class SessionKey(NamedTuple):
    """What a session is kept under: whoever asks with another owner finds nothing.

    owner: who made it; empty where callers are not told apart.
    session_id: fresh and unguessable.
    """

    owner: str
    session_id: str


class Session(NamedTuple):
    """A snapshot of a session; instants in seconds since the epoch.

    classes: support sets by class name, in order of registration; they never change under the
        reader.
    """

    key: SessionKey
    model: str
    created: float
    expires_at: float
    classes: Mapping[str, SupportSet]

    @property
    def session_id(self) -> str:
        """Its id, as clients know it."""
        return self.key.session_id


class SessionLimits(NamedTuple):
    """What a session may hold and how long it lives after its last use."""

    ttl_s: float = 3600.0
    max_classes: int = 64
    max_shots: int = 64


class SessionStore(Protocol):
    """Sessions by key. Every successful call on a session starts its time to live anew.

    Calls are atomic: of concurrent appends to one class none is lost.
    """

    async def create(
        self, key: SessionKey, model: str, class_name: str, supports: SupportSet
    ) -> Session:
        """Make a session with its first class.

        Raises:
            LimitExceededError.
        """

    async def put(
        self, key: SessionKey, class_name: str, supports: SupportSet, mode: Mode
    ) -> Session:
        """Add shots to a class, or put them in the place of those it has; makes the class if new.

        Shots added without a refit leave the class the one it has; one that comes takes its place.

        Raises:
            SessionNotFoundError, LimitExceededError.
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
