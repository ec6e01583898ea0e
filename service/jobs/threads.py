"""Threads for work on jobs, apart from those of requests, which must never wait for it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import TypeVar

T = TypeVar("T")

_QUESTIONS, _UPLOADS, _UNPACKING, _RESULTS = 2, 2, 2, 2


class JobThreads:
    """A few for questions, which take milliseconds, and a few for files, which take minutes.

    Uploads are written, archives unpacked and results packed by different ones: one client's large
    downloads leave the jobs of other clients their place.
    """

    def __init__(self) -> None:
        self._questions = ThreadPoolExecutor(_QUESTIONS, thread_name_prefix="jobs")
        self._uploads = ThreadPoolExecutor(_UPLOADS, thread_name_prefix="job-uploads")
        self._unpacking = ThreadPoolExecutor(_UNPACKING, thread_name_prefix="job-files")
        self._results = ThreadPoolExecutor(_RESULTS, thread_name_prefix="job-results")

    def ask(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """Begin a question to the store."""
        return _begin(self._questions, call)

    async def write(self, call: Callable[[], T]) -> T:
        """Write a piece of a file that arrives.

        One that has begun is waited for also where the request is cancelled: what has been written
        is removed behind it.
        """
        return await finished(_begin(self._uploads, call))

    def unpack_or_remove(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """Begin to unpack or remove files; it waits while as much is at work already."""
        return _begin(self._unpacking, call)

    def pack(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """Begin to pack results; it waits while as much is at work already."""
        return _begin(self._results, call)

    async def close(self) -> None:
        """Wait for what runs, drop what waits."""
        for executor in (self._uploads, self._unpacking, self._results, self._questions):
            await asyncio.to_thread(partial(executor.shutdown, cancel_futures=True))


async def finished(call: asyncio.Future[T]) -> T:
    """The result of a call in a thread, which a cancellation waits for, since it cannot stop it."""
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        while not call.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait({call})
        raise


def _begin(executor: ThreadPoolExecutor, call: Callable[[], T]) -> asyncio.Future[T]:
    context = copy_context()  # with the request's id, for the log
    return asyncio.get_running_loop().run_in_executor(executor, lambda: context.run(call))
