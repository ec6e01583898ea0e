"""Decoded sessions beside a remote store, so that one that has not changed is not fetched again."""

import time
from collections import OrderedDict
from dataclasses import dataclass

from service.stores.base import SessionContent, SessionKey


@dataclass
class _Copy:
    version: bytes
    content: SessionContent
    nbytes: int
    used_at: float


class LocalCopies:
    """A byte-bounded cache, least recently used first; who asks must know the current version.

    Args:
        max_bytes: of the arrays of all copies.
        ttl_s: after which an unused copy is of no more use.
    """

    def __init__(self, max_bytes: int, ttl_s: float) -> None:
        self._max_bytes = max_bytes
        self._ttl_s = ttl_s
        self._copies: OrderedDict[SessionKey, _Copy] = OrderedDict()
        self._total_bytes = 0

    def __len__(self) -> int:
        return len(self._copies)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays of all copies."""
        return self._total_bytes

    def find(self, key: SessionKey, version: bytes) -> SessionContent | None:
        """The content, if the copy is of that version; counts as a use."""
        copy = self._copies.get(key)
        if copy is None or copy.version != version:
            return None
        copy.used_at = time.monotonic()
        self._copies.move_to_end(key)
        return copy.content

    def keep(self, key: SessionKey, version: bytes, content: SessionContent) -> None:
        """Keep a copy until it is the least recently used one and its room is needed."""
        self.drop(key)
        now = time.monotonic()
        self._copies[key] = _Copy(version, content, content.nbytes, now)
        self._total_bytes += self._copies[key].nbytes
        while self._copies:
            oldest, copy = next(iter(self._copies.items()))
            if self._total_bytes <= self._max_bytes and now - copy.used_at < self._ttl_s:
                return
            self.drop(oldest)

    def drop(self, key: SessionKey) -> None:
        """Forget a copy, if there is one."""
        copy = self._copies.pop(key, None)
        if copy is not None:
            self._total_bytes -= copy.nbytes
