"""Threads for work on jobs, apart from those of requests, which must never wait for it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import TypeVar

T = TypeVar("T")

_QUERIES, _UPLOADS, _UNPACKING, _RESULTS = 2, 2, 2, 2


class JobThreads:
    """Thread pools for queries, which take milliseconds, and for files, which take minutes.

    Uploads, archives and results have a pool each, so that one client's large downloads do not
    delay the jobs of others.
    """

    def __init__(self) -> None:
        self._queries = ThreadPoolExecutor(_QUERIES, thread_name_prefix="jobs")
        self._uploads = ThreadPoolExecutor(_UPLOADS, thread_name_prefix="job-uploads")
        self._unpacking = ThreadPoolExecutor(_UNPACKING, thread_name_prefix="job-files")
        self._results = ThreadPoolExecutor(_RESULTS, thread_name_prefix="job-results")

    def query(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """Begin a query of the store."""
        return _begin(self._queries, call)

    async def write(self, call: Callable[[], T]) -> T:
        """Write a chunk of a file that arrives.

        A cancellation waits for a write that has begun, as the file is removed afterwards.
        """
        return await result_of(_begin(self._uploads, call))

    def unpack_or_remove(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """Begin to unpack or remove files, once a thread of their pool is free."""
        return _begin(self._unpacking, call)

    def pack(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """Begin to pack results, once a thread of their pool is free."""
        return _begin(self._results, call)

    async def close(self) -> None:
        """Wait for running calls, and drop queued ones."""
        for executor in (self._uploads, self._unpacking, self._results, self._queries):
            await asyncio.to_thread(partial(executor.shutdown, cancel_futures=True))


async def result_of(call: asyncio.Future[T]) -> T:
    """The result of a call in a thread, which cannot be stopped: a cancellation waits for it."""
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
