"""Bounds on the jobs and bytes of a jobs directory, uploads in progress included."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from service.errors import JobStorageError, LimitExceededError
from service.jobs.store import JobStore


@dataclass
class _Usage:
    """What one owner, or all owners together, use: stored, and arriving."""

    stored_bytes: int = 0
    arriving_bytes: int = 0
    arriving_jobs: int = 0


class JobQuota:
    """Counts jobs and bytes of each owner, and bytes of all; entering and leaving block.

    Args:
        store: of the jobs.
        max_jobs: of one owner, with those that arrive.
        max_owner_bytes: of the images of one API key's jobs, with those that arrive; does not
            apply where no keys are needed.
        max_bytes: of the images of all jobs, with those that arrive.
    """

    def __init__(
        self, store: JobStore, *, max_jobs: int, max_owner_bytes: int, max_bytes: int
    ) -> None:
        self._store = store
        self._max_jobs = max_jobs
        self._max_owner_bytes = max_owner_bytes
        self._max_bytes = max_bytes
        self._counting = threading.Lock()  # held while the store is queried
        self._lock = threading.Lock()  # guards the numbers, and is never held for long
        self._owners: dict[str, _Usage] = {}
        self._all = _Usage()

    @contextmanager
    def arrival(self, owner: str, *, repeated: bool = False) -> Iterator[Callable[[int], None]]:
        """A block in which a job arrives; it counts from the start.

        Args:
            owner: whose it will be.
            repeated: the job is there already, so that no other one is made.

        Yields:
            `take(more)`, which reserves more bytes; safe from any thread, and never blocks.

        Raises:
            LimitExceededError: of the owner's jobs, or of its bytes.
            JobStorageError: all owners together have as many bytes as there may be.
        """
        taken = 0

        def take(more: int) -> None:
            nonlocal taken
            self._take(owner, more)
            taken += more

        self._enter(owner, repeated=repeated)
        try:
            take(1)  # fails early if nothing is left
            yield take
        finally:
            self._leave(owner, taken)

    def require(self, owner: str, size: int) -> None:
        """Fail if so many more bytes of an owner, of which a job arrives, would exceed the quota.

        Raises:
            LimitExceededError, JobStorageError: see `arrival`.
        """
        own = self._owners[owner]
        max_bytes = self._max_owner_bytes if owner else self._max_bytes
        if own.stored_bytes + own.arriving_bytes + size > max_bytes:
            raise LimitExceededError(
                f"the images of your jobs may take {max_bytes} bytes; delete jobs"
            )
        if self._all.stored_bytes + self._all.arriving_bytes + size > self._max_bytes:
            raise JobStorageError("there is no room for the images of more jobs")

    def _enter(self, owner: str, *, repeated: bool) -> None:
        with self._counting:
            jobs, stored = self._store.count_of_owner(owner), self._stored(owner)
            with self._lock:
                own = self._owners.get(owner, _Usage())
                if jobs + own.arriving_jobs >= self._max_jobs and not repeated:
                    raise LimitExceededError(f"more than {self._max_jobs} jobs; delete one")
                own.arriving_jobs += 1
                self._owners[owner] = own
                own.stored_bytes, self._all.stored_bytes = stored

    def _take(self, owner: str, more: int) -> None:
        with self._lock:
            self.require(owner, more)
            self._owners[owner].arriving_bytes += more
            self._all.arriving_bytes += more

    def _leave(self, owner: str, taken: int) -> None:
        with self._counting:
            try:
                stored = self._stored(owner)
            except JobStorageError:  # the disk fails; counted again at the next arrival
                stored = None
            with self._lock:
                own = self._owners[owner]
                # What arrived is stored by now, or removed.
                if stored is not None:
                    own.stored_bytes, self._all.stored_bytes = stored
                own.arriving_bytes -= taken
                own.arriving_jobs -= 1
                self._all.arriving_bytes -= taken
                if not own.arriving_jobs:
                    del self._owners[owner]

    def _stored(self, owner: str) -> tuple[int, int]:
        """Bytes of the owner's jobs, and of all."""
        return self._store.nbytes_of_owner(owner), self._store.nbytes()
