"""A cache of results that is bounded by their total size."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")

KEPT_BYTES = 1 << 30


class LRUCache(Generic[T]):
    """A least-recently-used cache.

    The value computed last always stays, even if it alone exceeds the limit.

    Args:
        size: bytes of a value.
        limit_bytes: of all values together.
    """

    def __init__(self, size: Callable[[T], int], limit_bytes: int = KEPT_BYTES) -> None:
        self._size, self._left = size, limit_bytes
        self._values: OrderedDict[Hashable, T] = OrderedDict()

    def get(self, key: Hashable, compute: Callable[[], T]) -> T:
        """The value of a key, computed if it is not cached."""
        if key in self._values:
            self._values.move_to_end(key)
            return self._values[key]
        value = self._values[key] = compute()
        self._left -= self._size(value)
        while self._left < 0 and len(self._values) > 1:
            self._left += self._size(self._values.popitem(last=False)[1])
        return value
