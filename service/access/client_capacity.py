"""A bound on what one client holds at once, so that it leaves something to others."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock

from service.errors import TooManyRequestsError


class ClientCapacity:
    """Counts what each client holds.

    Args:
        capacity: maximum that one client may hold; None: no maximum.
        unit: what is counted, for the error's detail.
    """

    def __init__(self, capacity: int | None, unit: str) -> None:
        self._capacity = capacity
        self._unit = unit
        self._held: Counter[str] = Counter()
        # RLock: the garbage collector may close an unsent response in any thread, even while this
        # lock is held.
        self._lock = RLock()

    @contextmanager
    def hold(self, client: str, amount: int = 1) -> Iterator[Callable[[int], None]]:
        """Hold an amount for the block.

        Yields:
            `take(more)`, which holds more within the block, as its size becomes known.

        Raises:
            TooManyRequestsError: the client would hold more than its share.
        """
        held = 0

        def take(more: int) -> None:
            nonlocal held
            with self._lock:
                if self._capacity is not None and self._held[client] + more > self._capacity:
                    raise TooManyRequestsError(
                        f"more than {self._capacity} {self._unit} of this client are in progress"
                    )
                self._held[client] += more
            held += more

        try:
            take(amount)
            yield take
        finally:
            with self._lock:
                self._held[client] -= held
                if not self._held[client]:
                    del self._held[client]  # clients come and go; their number has no bound

    def __len__(self) -> int:
        """How much all clients hold in total."""
        return self._held.total()
