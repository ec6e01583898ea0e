"""What is kept from one update of a session to the next, within a number of bytes."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

_ENTRY_BYTES = 1024  # about what a key of a few names takes with its place in the cache


class ByteCache(Generic[Key, Value]):
    """The values used last; the longest unused are forgotten.

    Args:
        max_bytes: of all keys and values together.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._values: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._bytes = 0

    def get(self, key: Key) -> Value | None:
        """The value of a key, if it is there; it then counts as used."""
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        return self._values[key][0]

    def add(self, key: Key, value: Value, nbytes: int = 0) -> None:
        """Keep a value of so many bytes in place of an earlier one, at the cost of the oldest."""
        self.drop(key)
        self._values[key] = value, _ENTRY_BYTES + nbytes
        self._bytes += _ENTRY_BYTES + nbytes
        while self._bytes > self._max_bytes:
            self.drop(next(iter(self._values)))

    def drop(self, key: Key) -> None:
        """Forget a key, if it is there."""
        _, nbytes = self._values.pop(key, (None, 0))
        self._bytes -= nbytes
