"""Use cases; the only place where engine, stores and imaging meet."""

from service.sessions.pool import CodecPool
from service.sessions.service import LabelMap, SessionService

__all__ = ["CodecPool", "LabelMap", "SessionService"]
