"""A bound on the pixels that codec threads work on at the same time."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager


class PixelBudget:
    """Admits images while their pixels together fit; one larger than the whole budget runs alone.

    Large ones, of more than a third of the budget, go one at a time: they may take seconds each,
    and two would leave no room to the small ones of other clients. A file of a few bytes can
    announce millions of pixels, so the number of threads alone does not bound memory. Used from
    codec threads, which it blocks; never from the event loop's thread.

    Args:
        capacity: pixels that may be held at once.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._free = capacity
        self._turn = threading.Lock()
        self._large = threading.Lock()
        self._freed = threading.Condition()

    @contextmanager
    def reservation(self) -> Iterator[Callable[[int], None]]:
        """A block whose pixels leave with it.

        Yields:
            What waits for room for a number of pixels; called at most once in the block, because
            who waits while holding room could wait for ever.
        """
        held = 0
        alone = ExitStack()

        def reserve(pixels: int) -> None:
            nonlocal held
            weight = min(pixels, self._capacity)
            if 3 * weight > self._capacity:
                alone.enter_context(self._large)
            # One at a time waits for room, or small images would pass a large one for ever.
            with self._turn, self._freed:
                self._freed.wait_for(lambda: self._free >= weight)
                self._free -= weight
            held = weight

        try:
            with alone:
                yield reserve
        finally:
            with self._freed:
                self._free += held
                self._freed.notify_all()
