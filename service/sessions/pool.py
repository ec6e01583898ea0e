"""The threads that decode and encode, so that the event loop never does."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import Event, Lock
from typing import TypeVar

T = TypeVar("T")


class AbandonedError(Exception):
    """Nobody waits for what a thread works on."""


@contextmanager
def abandonable() -> Iterator[Callable[[], None]]:
    """A block that awaits work on codec threads, which cannot be cancelled.

    Yields:
        A check for the work to call now and then: it raises `AbandonedError` once the block has
        ended, as it does when its request is cancelled.
    """
    ended = Event()

    def proceed() -> None:
        if ended.is_set():
            raise AbandonedError

    try:
        yield proceed
    finally:
        ended.set()


class CodecPool:
    """A bounded pool; what waits in it belongs to admitted requests, which are bounded too."""

    def __init__(self, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="codec")
        self._threads = threads
        self._unfinished = 0
        self._counting = Lock()

    @property
    def waiting(self) -> int:
        """Number of calls that wait for a thread."""
        return max(0, self._unfinished - self._threads)

    async def run(self, call: Callable[[], T]) -> T:
        """The result of one call."""
        return await self._submit(call)

    async def gather(self, calls: Iterable[Callable[[], T]]) -> list[T]:
        """The results of several calls, in order.

        A thread is left to others, whatever their number: of these calls, so many wait or run at
        the same time. After the first failure, calls that have not begun are withdrawn.
        """
        places = asyncio.Semaphore(max(1, self._threads - 1))

        async def run_in_place(call: Callable[[], T]) -> T:
            async with places:
                return await self._submit(call)

        tasks = [asyncio.ensure_future(run_in_place(call)) for call in calls]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    def _submit(self, call: Callable[[], T]) -> asyncio.Future[T]:
        future = self._executor.submit(call)
        with self._counting:
            self._unfinished += 1
        # Of the thread's own future: that of the loop may be cancelled while the thread works.
        future.add_done_callback(self._finished)
        return asyncio.wrap_future(future)

    def _finished(self, _: Future[T]) -> None:
        with self._counting:
            self._unfinished -= 1

    async def close(self) -> None:
        """Wait for running calls, drop queued ones."""
        await asyncio.to_thread(partial(self._executor.shutdown, cancel_futures=True))
