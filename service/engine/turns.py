"""Whose batch a device runs: one at a time, in turns."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Lets those who want a device have it one after another, in the order in which they asked.

    Graphs of several bundles that ran at once would share the device's cores or memory and each
    be slower. Who has had a turn asks behind those who wait, so nobody starves.
    """

    def __init__(self) -> None:
        self._asking: deque[object] = deque()  # the first has its turn
        self._changed = threading.Condition()

    @property
    def asking(self) -> int:
        """How many wait for a turn."""
        return max(0, len(self._asking) - 1)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A block that has the device to itself; blocks until it does."""
        ticket = object()
        with self._changed:
            self._asking.append(ticket)
            self._changed.wait_for(lambda: self._asking[0] is ticket)
        try:
            yield
        finally:
            with self._changed:
                self._asking.popleft()
                self._changed.notify_all()
