"""Bounds on what is in progress at once: of all clients together, and of one of them."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from threading import RLock

from service.errors import QueueFullError, TooManyRequestsError

Take = Callable[[int], None]  # holds more within a block, as its size becomes known


class Admission:
    """Counts what is in progress, whatever stage it is in; used from any thread.

    Args:
        capacity: how much may be inside at once.
        unit: what is counted, for the error's detail.
    """

    def __init__(self, capacity: int, unit: str) -> None:
        self.capacity = capacity
        self._unit = unit
        self._inside = 0
        self._lock = RLock()

    @property
    def inside(self) -> int:
        """How much is inside now."""
        return self._inside

    def require_room(self) -> None:
        """Fail now where `admit` would.

        Raises:
            QueueFullError.
        """
        self._require_room(1)

    def admit(self, amount: int = 1) -> AbstractContextManager[Take]:
        """Hold room for the block, which gets `take`; it is freed however the block ends.

        Raises:
            QueueFullError: there is not enough room right now; also from `take`.
        """
        return _hold(self._add, amount)

    def _add(self, amount: int) -> None:
        with self._lock:
            self._require_room(amount)
            self._inside += amount

    def _require_room(self, amount: int) -> None:
        if self._inside + amount > self.capacity:
            raise QueueFullError(f"more than {self.capacity} {self._unit} are already in progress")


class ClientCapacity:
    """Counts what each client holds, so that it leaves something to others; used from any thread.

    Args:
        capacity: maximum that one client may hold; None: no maximum.
        unit: what is counted, for the error's detail.
    """

    def __init__(self, capacity: int | None, unit: str) -> None:
        self.capacity = capacity
        self._unit = unit
        self._held: Counter[str] = Counter()
        self._lock = RLock()

    def hold(self, client: str, amount: int = 1) -> AbstractContextManager[Take]:
        """Hold an amount for the block, which gets `take`.

        Raises:
            TooManyRequestsError: the client would hold more than its share; also from `take`.
        """
        return _hold(partial(self._add, client), amount)

    def _add(self, client: str, amount: int) -> None:
        with self._lock:
            held = self._held[client] + amount
            if self.capacity is not None and held > self.capacity:
                raise TooManyRequestsError(
                    f"more than {self.capacity} {self._unit} of this client are in progress"
                )
            self._held[client] = held
            if not held:
                del self._held[client]  # clients come and go; their number has no bound


# Both hold an RLock while they add: the garbage collector may end the block of an unsent response
# in any thread, even while that thread holds the lock.
@contextmanager
def _hold(add: Take, amount: int) -> Iterator[Take]:
    """A block that holds an amount, and what its `take` adds to it."""
    held = 0

    def take(more: int) -> None:
        nonlocal held
        add(more)
        held += more

    try:
        take(amount)
        yield take
    finally:
        add(-held)
