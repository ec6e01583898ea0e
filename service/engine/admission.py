"""A bound on the work in progress, whatever stage it is in."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from service.errors import QueueFullError


class Admission:
    """Counts admitted work that is not finished; used on the event loop's thread only.

    Args:
        capacity: how much may be inside at once.
        unit: what is counted, for the error's detail.
    """

    def __init__(self, capacity: int, unit: str) -> None:
        self._capacity = capacity
        self._unit = unit
        self._inside = 0

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

    @contextmanager
    def admit(self, amount: int = 1) -> Iterator[Callable[[int], None]]:
        """Hold room for the block; the room is freed however the block ends.

        Yields:
            What asks for more room within the block, as its size becomes known.

        Raises:
            QueueFullError: there is not enough room right now.
        """
        held = 0

        def take(more: int) -> None:
            nonlocal held
            self._take(more)
            held += more

        try:
            take(amount)
            yield take
        finally:
            self._inside -= held

    def _take(self, amount: int) -> None:
        self._require_room(amount)
        self._inside += amount

    def _require_room(self, amount: int) -> None:
        if self._inside + amount > self._capacity:
            raise QueueFullError(f"more than {self._capacity} {self._unit} are already in progress")
