"""Where the prototypes of sessions live between requests."""

from service.stores.base import Mode, Session, SessionKey, SessionLimits, SessionStore
from service.stores.memory import MemoryStore

__all__ = ["MemoryStore", "Mode", "Session", "SessionKey", "SessionLimits", "SessionStore"]
