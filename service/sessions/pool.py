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

    async def run(self, call: Callable[[], T]) -> T:
        """The result of one call."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    async def gather(self, calls: Iterable[Callable[[], T]]) -> list[T]:
        """The results of several calls, in order.

        After the first failure, calls that have not begun are withdrawn.
        """
        loop = asyncio.get_running_loop()
        futures = [loop.run_in_executor(self._executor, call) for call in calls]
        try:
            return await asyncio.gather(*futures)
        finally:
            for future in futures:
                future.cancel()

    async def close(self) -> None:
        """Wait for what runs, drop what waits."""
        await asyncio.to_thread(partial(self._executor.shutdown, cancel_futures=True))
