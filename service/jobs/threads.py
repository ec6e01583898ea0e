"""Threads of what is asked about jobs: not those of requests, which must never wait here."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import TypeVar

T = TypeVar("T")

_SHORT, _LONG = 2, 2


class JobThreads:
    """A few for questions, which take milliseconds, and a few for files, which take minutes."""

    def __init__(self) -> None:
        self._questions = ThreadPoolExecutor(_SHORT, thread_name_prefix="jobs")
        self._files = ThreadPoolExecutor(_LONG, thread_name_prefix="job-files")

    def ask(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """Begin a question to the store."""
        return _begin(self._questions, call)

    def work(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """Begin to unpack, pack or remove files; it waits while as much is at work already."""
        return _begin(self._files, call)

    async def close(self) -> None:
        """Wait for what runs, drop what waits."""
        for executor in (self._files, self._questions):
            await asyncio.to_thread(partial(executor.shutdown, cancel_futures=True))


def _begin(executor: ThreadPoolExecutor, call: Callable[[], T]) -> asyncio.Future[T]:
    context = copy_context()  # with the request's id, for the log
    return asyncio.get_running_loop().run_in_executor(executor, lambda: context.run(call))
