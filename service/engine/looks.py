"""How often requests go through the queues of the engine."""

from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

_REMEMBERED = 0.95  # of earlier requests, with each first look that is over


class Looks:
    """A running mean of how often a request for masks waits: once, or again for a second look.

    Close-ups and tiles are known once the whole image is segmented, and then wait behind all others
    again. Several at the same time count once.
    """

    def __init__(self) -> None:
        self._came_back: WeakKeyDictionary[object, bool] = WeakKeyDictionary()
        self._requests = self._returns = 0.0

    @property
    def mean(self) -> float:
        """Between 1, where no request comes back or none is known, and 2."""
        return 1 + self._returns / self._requests if self._requests else 1.0

    @contextmanager
    def look(self, request: object | None) -> Iterator[None]:
        """A block in which a request looks at images, for the first time or not; None: no request.

        Args:
            request: the same object for all looks of a request.
        """
        if request is None:
            yield
            return
        if self._came_back.get(request) is False:
            self._came_back[request] = True
            self._returns = min(self._returns + 1, self._requests)
        try:
            yield
        finally:
            if request not in self._came_back:
                self._came_back[request] = False
                self._requests = _REMEMBERED * self._requests + 1
                self._returns *= _REMEMBERED
