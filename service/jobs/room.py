"""How much more the directory of jobs may take in, what arrives just now counted."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from service.errors import JobStorageError, LimitExceededError
from service.jobs.store import JobStore


@dataclass
class _Held:
    """What an owner, or all together, have: in the store, and arriving."""

    stored_bytes: int = 0
    arriving_bytes: int = 0
    arriving_jobs: int = 0


class Room:
    """Counts jobs and bytes of each owner, and the bytes of all; entering and leaving block.

    Args:
        store: of the jobs that there are.
        max_jobs: of one owner, with those that arrive.
        max_owner_bytes: of the images of one API key's jobs and of what arrives; who asks without
            a key owns all there is.
        max_bytes: of the images of all jobs and of what arrives.
    """

    def __init__(
        self, store: JobStore, *, max_jobs: int, max_owner_bytes: int, max_bytes: int
    ) -> None:
        self._store = store
        self._max_jobs = max_jobs
        self._max_owner_bytes = max_owner_bytes
        self._max_bytes = max_bytes
        self._counting = threading.Lock()  # held while the store is asked
        self._lock = threading.Lock()  # of the numbers alone
        self._owners: dict[str, _Held] = {}
        self._all = _Held()

    @contextmanager
    def arrival(self, owner: str) -> Iterator[Callable[[int], None]]:
        """A block in which a job arrives; it counts however far it is.

        Yields:
            What takes room for that many bytes more, from any thread, and waits for nothing.

        Raises:
            LimitExceededError: of the owner's jobs, or of its bytes.
            JobStorageError: all owners together have as many bytes as there may be.
        """
        held = 0

        def take(more: int) -> None:
            nonlocal held
            self._take(owner, more)
            held += more

        self._enter(owner)
        try:
            take(1)  # where there is no room at all, nothing is to arrive
            yield take
        finally:
            self._leave(owner, held)

    def require(self, owner: str, size: int) -> None:
        """Fail now where so many bytes of an owner with an arrival would not fit.

        Raises:
            LimitExceededError, JobStorageError: see `arrival`.
        """
        own, most = self._owners[owner], self._max_owner_bytes if owner else self._max_bytes
        if own.stored_bytes + own.arriving_bytes + size > most:
            raise LimitExceededError(f"the images of your jobs may take {most} bytes; delete jobs")
        if self._all.stored_bytes + self._all.arriving_bytes + size > self._max_bytes:
            raise JobStorageError("there is no room for the images of more jobs")

    def _enter(self, owner: str) -> None:
        with self._counting:
            jobs, stored = self._store.count_of_owner(owner), self._stored(owner)
            with self._lock:
                own = self._owners.get(owner, _Held())
                if jobs + own.arriving_jobs >= self._max_jobs:
                    raise LimitExceededError(f"more than {self._max_jobs} jobs; delete one")
                own.arriving_jobs += 1
                self._owners[owner] = own
                own.stored_bytes, self._all.stored_bytes = stored

    def _take(self, owner: str, more: int) -> None:
        with self._lock:
            self.require(owner, more)
            self._owners[owner].arriving_bytes += more
            self._all.arriving_bytes += more

    def _leave(self, owner: str, held: int) -> None:
        with self._counting:
            try:
                stored = self._stored(owner)
            except sqlite3.Error:  # of a disk that fails; counted again with the next arrival
                stored = None
            with self._lock:
                own = self._owners[owner]
                # What arrived is stored by now, or gone.
                if stored is not None:
                    own.stored_bytes, self._all.stored_bytes = stored
                own.arriving_bytes -= held
                own.arriving_jobs -= 1
                self._all.arriving_bytes -= held
                if not own.arriving_jobs:
                    del self._owners[owner]

    def _stored(self, owner: str) -> tuple[int, int]:
        """Bytes of the owner's jobs, and of all."""
        return self._store.nbytes_of_owner(owner), self._store.nbytes()
