"""Where the prototypes of sessions live between requests."""

from service.stores.base import (
    Mode,
    Session,
    SessionContent,
    SessionKey,
    SessionLimits,
    SessionStore,
)
from service.stores.codec import decode_session, decode_supports, encode_session, encode_supports
from service.stores.memory import MemoryStore
from service.stores.redis import RedisStore
from service.stores.tensors import ShotSpec

__all__ = [
    "MemoryStore",
    "Mode",
    "RedisStore",
    "Session",
    "SessionContent",
    "SessionKey",
    "SessionLimits",
    "SessionStore",
    "ShotSpec",
    "decode_session",
    "decode_supports",
    "encode_session",
    "encode_supports",
]
