"""The files of jobs that arrive: their room, their folder, and that nothing is left of them."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from service.jobs.quota import JobQuota
from service.jobs.storage_errors import disk_errors
from service.jobs.store import JobStore
from service.jobs.threads import JobThreads


class Arrival(NamedTuple):
    """A job whose files arrive.

    owner: whose it will be.
    client: that sends them, and has a share of what all clients use.
    folder: for the files.
    take: reserves bytes of the quota, before they are written; fails once the service stops.
    require: fails where so many bytes would exceed the quota.
    write: runs a call that writes a chunk of a file, in a thread.
    """

    owner: str
    client: str
    folder: Path
    take: Callable[[int], None]
    require: Callable[[int], None]
    write: Callable[[Callable[[], object]], Awaitable[object]]


class Arrivals:
    """The jobs whose files arrive.

    Args:
        store: of the jobs.
        quota: bounds the jobs and their bytes.
        threads: that the work is done in.
    """

    def __init__(self, store: JobStore, quota: JobQuota, threads: JobThreads) -> None:
        self._store = store
        self._quota = quota
        self._threads = threads
        self._present: set[asyncio.Event] = set()  # each is set at its arrival's end

    async def close(self) -> None:
        """Have what takes long fail, and wait until the files of what arrives are removed.

        Requests must have been cancelled before; none may come after.
        """
        self._threads.stop()
        for ended in tuple(self._present):
            await ended.wait()

    @asynccontextmanager
    async def begin(
        self, owner: str, client: str, idempotency_key: str | None = None
    ) -> AsyncIterator[Arrival]:
        """A block in which the files of a job arrive.

        If it fails, they are removed, and with them a job that was made of them, which nobody would
        know. One that has a key stays: the request that comes again finds it.

        Args:
            owner: whose job it will be.
            client: that sends the files.
            idempotency_key: of its request; where a job of it is there, one more is no other job.

        Raises:
            LimitExceededError: the owner has as many jobs or bytes as it may.
            JobStorageError: the quota of all owners together is used up, or the disk fails.
        """
        keyed = idempotency_key is not None
        with self._counted(), disk_errors():
            async with (
                self._room(owner, idempotency_key) as reserve,
                self._folder(keyed=keyed) as folder,
            ):
                yield self._arrival(owner, client, folder, reserve)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        ended = asyncio.Event()
        self._present.add(ended)
        try:
            yield
        finally:
            self._present.discard(ended)
            ended.set()

    @asynccontextmanager
    async def _room(self, owner: str, key: str | None) -> AsyncIterator[Callable[[int], None]]:
        """A block that counts as a job that arrives."""
        room = ExitStack()
        try:
            repeated = key is not None and await self._threads.query(
                partial(self._store.knows_key, owner, key)
            )
            arrival = self._quota.arrival(owner, repeated=repeated)
            yield await self._threads.query(partial(room.enter_context, arrival))
        finally:
            await self._threads.query(room.close)

    def _arrival(
        self, owner: str, client: str, folder: Path, reserve: Callable[[int], None]
    ) -> Arrival:
        def take(more: int) -> None:
            self._threads.require_running()
            reserve(more)

        require = partial(self._quota.require, owner)
        return Arrival(owner, client, folder, take, require, self._threads.write)

    @asynccontextmanager
    async def _folder(self, *, keyed: bool) -> AsyncIterator[Path]:
        """A new folder, which is removed if the block fails, unless a job of a key has it."""
        # Hexadecimal: an id is an argument of commands, so it must not begin with a dash.
        folder = self._store.folder(secrets.token_hex(24))
        try:
            await self._threads.query(partial(folder.mkdir, parents=True, mode=0o700))
            yield folder
        except BaseException:
            await self._threads.remove(partial(self._take_back, folder, keyed=keyed))
            raise

    def _take_back(self, folder: Path, *, keyed: bool) -> None:
        if not (keyed and self._store.has(folder.name)):
            self._store.delete(folder.name)
