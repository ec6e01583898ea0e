"""A bound on work inside, whatever stage it is in."""

from collections.abc import Iterator
from contextlib import contextmanager

from service.errors import QueueFullError


class Admission:
    """Counts what has been let in and not yet left; used from the event loop's thread only.

    Args:
        capacity: how much may be inside at once.
        unit: what is counted, for the error's detail.
    """

    def __init__(self, capacity: int, unit: str) -> None:
        self._capacity = capacity
        self._unit = unit
        self._inside = 0

    @contextmanager
    def admit(self, amount: int = 1) -> Iterator[None]:
        """Hold room for the block; the room is freed however the block ends.

        Raises:
            QueueFullError: there is not enough room right now.
        """
        if self._inside + amount > self._capacity:
            raise QueueFullError(f"more than {self._capacity} {self._unit} are already in progress")
        self._inside += amount
        try:
            yield
        finally:
            self._inside -= amount
