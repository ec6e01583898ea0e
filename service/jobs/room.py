"""How much more the directory of jobs may take in, what arrives just now counted."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from service.errors import LimitExceededError
from service.jobs.store import JobStore


class Room:
    """Counts the jobs of each owner, and the bytes of all; entering and leaving block.

    Args:
        store: of the jobs that there are.
        max_jobs: of one owner, with those that arrive.
        max_bytes: of the images of all jobs and of what arrives.
    """

    def __init__(self, store: JobStore, *, max_jobs: int, max_bytes: int) -> None:
        self._store = store
        self._max_jobs = max_jobs
        self._max_bytes = max_bytes
        self._counting = threading.Lock()  # held while the store is asked
        self._lock = threading.Lock()  # of the numbers alone
        self._owners: Counter[str] = Counter()
        self._stored = 0
        self._arriving = 0

    @contextmanager
    def arrival(self, owner: str) -> Iterator[Callable[[int], None]]:
        """A block in which a job arrives; it counts however far it is.

        Yields:
            What takes room for that many bytes more, from any thread, and waits for nothing.

        Raises:
            LimitExceededError: of the owner's jobs, or of bytes.
        """
        held = 0

        def take(more: int) -> None:
            nonlocal held
            self._take(more)
            held += more

        self._enter(owner)
        try:
            take(1)  # where there is no room at all, nothing is to arrive
            yield take
        finally:
            self._leave(owner, held)

    def require(self, size: int) -> None:
        """Fail now where so many bytes would not fit, should nothing change.

        Raises:
            LimitExceededError.
        """
        if self._stored + self._arriving + size > self._max_bytes:
            raise LimitExceededError("there is no room for the images; delete jobs")

    def _enter(self, owner: str) -> None:
        with self._counting:
            jobs, stored = self._store.count_of_owner(owner), self._store.nbytes()
            with self._lock:
                if jobs + self._owners[owner] >= self._max_jobs:
                    raise LimitExceededError(f"more than {self._max_jobs} jobs; delete one")
                self._owners[owner] += 1
                self._stored = stored

    def _take(self, more: int) -> None:
        with self._lock:
            self.require(more)
            self._arriving += more

    def _leave(self, owner: str, held: int) -> None:
        with self._counting:
            stored = self._store.nbytes()
            with self._lock:
                # What arrived is stored by now, or gone.
                self._stored = stored
                self._arriving -= held
                self._owners[owner] -= 1
                self._owners += Counter()  # forgets whom nothing is left of
