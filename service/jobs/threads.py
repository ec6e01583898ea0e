"""Threads for work on jobs, apart from those of requests, which must never wait for it."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import TypeVar
from weakref import WeakValueDictionary

from service.errors import NotReadyError
from service.uninterrupted import result_of

T = TypeVar("T")


class JobThreads:
    """A pool of threads for each kind of work, so that what is short never waits for what is long.

    A cancellation waits for the call, as its files may be removed afterwards. One of `keep` and
    `unpack` that has not begun is withdrawn. `pack` does not wait: its caller has the call stop.
    """

    def __init__(self) -> None:
        self._queries = ThreadPoolExecutor(2, thread_name_prefix="jobs")
        self._uploads = ThreadPoolExecutor(2, thread_name_prefix="job-uploads")
        self._keeping = ThreadPoolExecutor(2, thread_name_prefix="job-keeping")
        self._removals = ThreadPoolExecutor(2, thread_name_prefix="job-removals")
        self._runner = ThreadPoolExecutor(1, thread_name_prefix="job-runner")
        self._unpacking = _OneEach(ThreadPoolExecutor(2, thread_name_prefix="job-archives"))
        self._packing = _OneEach(ThreadPoolExecutor(2, thread_name_prefix="job-results"))
        self._stopped = threading.Event()

    async def query(self, call: Callable[[], T]) -> T:
        """Query or change the store: milliseconds."""
        return await _ended(_begin(self._queries, call))

    async def write(self, call: Callable[[], T]) -> T:
        """Write a chunk of a file that arrives."""
        return await _ended(_begin(self._uploads, call))

    async def keep(self, call: Callable[[], T]) -> T:
        """Read files that arrived or lie in a folder, or put them on the disk: seconds."""
        return await _withdrawable(_begin(self._keeping, call))

    async def remove(self, call: Callable[[], T]) -> T:
        """Remove files: seconds, where there are thousands."""
        return await _ended(_begin(self._removals, call))

    async def work(self, call: Callable[[], T]) -> T:
        """Do a step of the runner's, which does one thing at a time."""
        return await _ended(_begin(self._runner, call))

    async def unpack(self, client: str, call: Callable[[], T]) -> T:
        """Unpack an archive: minutes. Those of one client are unpacked one after another."""
        return await _withdrawable(await self._unpacking.begin(client, call))

    async def pack(self, client: str, call: Callable[[], T]) -> T:
        """Pack results: minutes. Those of one client are packed one after another."""
        return await asyncio.wrap_future(await self._packing.begin(client, call))

    def require_running(self) -> None:
        """Fail once the service stops; called between the parts of what takes minutes.

        Raises:
            NotReadyError.
        """
        if self._stopped.is_set():
            raise NotReadyError("the service is stopping; another replica may answer")

    def stop(self) -> None:
        """Have `require_running` fail."""
        self._stopped.set()

    async def close(self) -> None:
        """Stop, wait for running calls, and drop queued ones."""
        self.stop()
        for executor in (
            self._uploads,
            self._keeping,
            self._unpacking.executor,
            self._packing.executor,
            self._removals,
            self._runner,
            self._queries,
        ):
            await asyncio.to_thread(partial(executor.shutdown, cancel_futures=True))


class _OneEach:
    """Threads, of which each client has one at a time; its other calls wait for it."""

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        self.executor = executor
        # There as long as somebody has or awaits the client's turn.
        self._turns = WeakValueDictionary[str, asyncio.Lock]()

    async def begin(self, client: str, call: Callable[[], T]) -> Future[T]:
        """Begin a call once it is the client's only one."""
        turn = self._turns.setdefault(client, asyncio.Lock())
        await turn.acquire()
        loop = asyncio.get_running_loop()
        try:
            running = _begin(self.executor, call)
        except RuntimeError:  # the threads have ended; others must learn it, too
            turn.release()
            raise
        # Of the thread's own future: that of the loop may be cancelled while the thread works.
        running.add_done_callback(lambda _: loop.call_soon_threadsafe(turn.release))
        return running


def _begin(executor: ThreadPoolExecutor, call: Callable[[], T]) -> Future[T]:
    return executor.submit(copy_context().run, call)  # with the request's id, for the log


async def _ended(call: Future[T]) -> T:
    return await result_of(asyncio.wrap_future(call))


async def _withdrawable(call: Future[T]) -> T:
    return await result_of(asyncio.wrap_future(call), withdraw=call.cancel)
