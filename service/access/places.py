"""A bound on what one client holds, so that it cannot take everything there is."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock

from service.errors import TooManyRequestsError


class ClientPlaces:
    """Counts what each client holds.

    Args:
        capacity: the most that one client may hold; None: any amount.
        unit: what is counted, for the error's detail.
    """

    def __init__(self, capacity: int | None, unit: str) -> None:
        self._capacity = capacity
        self._unit = unit
        self._inside: Counter[str] = Counter()
        # An answer that is never begun is let go of in any thread, and at any allocation, even one
        # in here.
        self._lock = RLock()

    @contextmanager
    def hold(self, client: str, amount: int = 1) -> Iterator[Callable[[int], None]]:
        """Hold an amount for the block.

        Yields:
            What takes more within the block, as its size becomes known.

        Raises:
            TooManyRequestsError: the client would hold more than its share.
        """
        held = 0

        def take(more: int) -> None:
            nonlocal held
            with self._lock:
                if self._capacity is not None and self._inside[client] + more > self._capacity:
                    raise TooManyRequestsError(
                        f"more than {self._capacity} {self._unit} of this client are in progress"
                    )
                self._inside[client] += more
            held += more

        try:
            take(amount)
            yield take
        finally:
            with self._lock:
                self._inside[client] -= held
                if not self._inside[client]:
                    del self._inside[client]  # clients come and go; their number has no bound

    def __len__(self) -> int:
        """How much all clients hold together."""
        return self._inside.total()
