"""A lock that is granted first come, first served."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class FairLock:
    """A mutex, granted in the order in which threads asked for it; one guards each device.

    Graphs of several bundles that ran at once would share the device's cores or memory and each
    be slower. Whoever releases it queues behind those who wait, so nobody starves.
    """

    def __init__(self) -> None:
        self._waiting: deque[object] = deque()  # the first holds the lock
        self._changed = threading.Condition()

    @property
    def waiting(self) -> int:
        """How many threads wait for the lock."""
        return max(0, len(self._waiting) - 1)

    @contextmanager
    def hold(self, timeout_s: float | None = None) -> Iterator[None]:
        """A block that holds the lock; waits until it does.

        Args:
            timeout_s: the longest wait; None: any.

        Raises:
            TimeoutError.
        """
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            if not self._changed.wait_for(lambda: self._waiting[0] is ticket, timeout_s):
                self._waiting.remove(ticket)
                raise TimeoutError(f"no turn on the device within {timeout_s:g} s")
        try:
            yield
        finally:
            with self._changed:
                self._waiting.popleft()
                self._changed.notify_all()
