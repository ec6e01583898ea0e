"""The threads that decode and encode, so that the event loop never does."""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

T = TypeVar("T")


class CodecPool:
    """A bounded pool; what waits in it belongs to admitted requests, which are bounded too."""

    def __init__(self, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="codec")
        self._threads = threads
        self._unfinished = 0

    @property
    def waiting(self) -> int:
        """Number of calls that wait for a thread."""
        return max(0, self._unfinished - self._threads)

    async def run(self, call: Callable[[], T]) -> T:
        """The result of one call."""
        return await self._submit(call)

    async def gather(self, calls: Iterable[Callable[[], T]]) -> list[T]:
        """The results of several calls, in order.

        After the first failure, calls that have not begun are withdrawn.
        """
        futures = [self._submit(call) for call in calls]
        try:
            return await asyncio.gather(*futures)
        finally:
            for future in futures:
                future.cancel()

    def _submit(self, call: Callable[[], T]) -> asyncio.Future[T]:
        future = asyncio.get_running_loop().run_in_executor(self._executor, call)
        self._unfinished += 1
        future.add_done_callback(self._finished)
        return future

    def _finished(self, _: asyncio.Future[T]) -> None:
        self._unfinished -= 1

    async def close(self) -> None:
        """Wait for running calls, drop queued ones."""
        await asyncio.to_thread(partial(self._executor.shutdown, cancel_futures=True))
