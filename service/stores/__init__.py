"""Stores that keep the prototypes of sessions between requests.

`service.stores.redis` is imported by itself, where it is used: its client takes long to load.
"""

from service.stores.base import (
    IdempotencyToken,
    Session,
    SessionContent,
    SessionKey,
    SessionLimits,
    SessionStore,
)
from service.stores.codec import decode_session, decode_supports, encode_session, encode_supports
from service.stores.memory import MemoryStore
from service.stores.tensors import ShotSpec

__all__ = [
    "IdempotencyToken",
    "MemoryStore",
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
