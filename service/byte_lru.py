"""Values that are kept within a number of bytes."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class ByteLRU(Generic[Key, Value]):
    """Keeps the values used last; the longest unused are forgotten when their room is needed.

    A value that does not fit at all is not kept, and nothing makes room for it. May be used from
    several threads.

    Args:
        max_bytes: of all values together.
        entry_bytes: added to each value: what its key and its place take.
    """

    def __init__(self, max_bytes: int, *, entry_bytes: int = 0) -> None:
        self.max_bytes = max_bytes
        self._entry_bytes = entry_bytes
        self._values: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._nbytes = 0
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._values)

    @property
    def nbytes(self) -> int:
        """Bytes of all values together."""
        return self._nbytes

    def find(self, key: Key) -> Value | None:
        """The value of a key, if it is kept; it then counts as used."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def oldest(self) -> tuple[Key, Value] | None:
        """The longest unused value with its key; not a use."""
        with self._lock:
            for key, (value, _) in self._values.items():
                return key, value
            return None

    def keep(self, key: Key, value: Value, nbytes: int) -> None:
        """Store a value that occupies `nbytes`, if it fits; it replaces that of the key."""
        nbytes += self._entry_bytes
        with self._lock:
            self._forget(key)
            if nbytes > self.max_bytes:
                return
            while self._nbytes + nbytes > self.max_bytes:
                self._forget(next(iter(self._values)))
            self._values[key] = value, nbytes
            self._nbytes += nbytes

    def drop(self, key: Key) -> None:
        """Forget the value of a key, if it is kept."""
        with self._lock:
            self._forget(key)

    def drop_where(self, condition: Callable[[Key], bool]) -> None:
        """Forget the values of all keys for which this is true."""
        with self._lock:
            for key in [key for key in self._values if condition(key)]:
                self._forget(key)

    def _forget(self, key: Key) -> None:
        _, nbytes = self._values.pop(key, (None, 0))
        self._nbytes -= nbytes
