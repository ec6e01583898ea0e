"""Decoded sessions beside a remote store, so that one that has not changed is not fetched again."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from service.byte_lru import ByteLRU
from service.stores.base import SessionContent, SessionKey


@dataclass
class _Copy:
    version: bytes
    content: SessionContent
    used_at: float


class LocalCopies:
    """The copies used last, up to a number of bytes; who asks must know the current version.

    Args:
        max_bytes: of the arrays of all copies.
        ttl_s: after which an unused copy is of no more use.
        clock: seconds, monotonic.
    """

    def __init__(
        self, max_bytes: int, ttl_s: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ttl_s = ttl_s
        self._clock = clock
        self._copies: ByteLRU[SessionKey, _Copy] = ByteLRU(max_bytes)

    def __len__(self) -> int:
        return len(self._copies)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays of all copies."""
        return self._copies.nbytes

    def find(self, key: SessionKey, version: bytes) -> SessionContent | None:
        """The content, if the copy is of that version; counts as a use."""
        copy = self._copies.find(key)
        if copy is None:
            return None
        copy.used_at = self._clock()
        return copy.content if copy.version == version else None

    def keep(self, key: SessionKey, version: bytes, content: SessionContent) -> None:
        """Keep a copy until it is the least recently used one and its room is needed."""
        now = self._clock()
        self._copies.keep(key, _Copy(version, content, now), content.nbytes)
        while (oldest := self._copies.oldest()) and now - oldest[1].used_at >= self._ttl_s:
            self._copies.drop(oldest[0])

    def drop(self, key: SessionKey) -> None:
        """Forget a copy, if there is one."""
        self._copies.drop(key)
