"""The threads that decode and encode, so that the event loop never does."""

import asyncio
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from itertools import chain
from threading import Event, RLock
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

_client: ContextVar[str] = ContextVar("codec_client", default="")  # empty: work of no request


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


@contextmanager
def codec_client(name: str) -> Iterator[None]:
    """A block whose calls, in this task and those it starts, are those of one client."""
    token = _client.set(name)
    try:
        yield
    finally:
        _client.reset(token)


class _QueuedCall(NamedTuple):
    """A call that waits for a thread, since when, and the future its submitter waits on."""

    call: Callable[[], Any]
    since: float
    future: Future[Any]


class CodecPool:
    """A bounded pool; what waits in it belongs to admitted requests, which are bounded too.

    Clients (`codec_client`) take turns, and one thread more stands by for clients that do not have
    all the others: so none waits for the long calls of a single other one.

    Args:
        threads: how many calls of a client are made at the same time.
        clock: seconds, from any moment on.
    """

    def __init__(self, threads: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._executor = ThreadPoolExecutor(threads + 1, thread_name_prefix="codec")
        self._threads = threads
        self._clock = clock
        self._queues: OrderedDict[str, deque[_QueuedCall]] = OrderedDict()  # the next turn first
        self._running: Counter[str] = Counter()
        self._lock = RLock()  # a call may be done before the thread that began it lets go

    @property
    def waiting(self) -> int:
        """Number of calls that wait for a thread."""
        with self._lock:
            return sum(not call.future.cancelled() for call in chain(*self._queues.values()))

    @property
    def wait_s(self) -> float:
        """How long the client's next call has waited for a thread so far, in seconds.

        One that came now would wait longer. How long cannot be known, since a file of a few bytes
        may take seconds to decode.
        """
        now = self._clock()
        with self._lock:
            queue = self._queues.get(_client.get(), ())
            return now - next((each.since for each in queue if not each.future.cancelled()), now)

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
        future: Future[T] = Future()
        with self._lock:
            queue = self._queues.setdefault(_client.get(), deque())
            queue.append(_QueuedCall(call, self._clock(), future))
            self._begin_next()
        return asyncio.wrap_future(future)

    def _begin_next(self) -> None:
        """Begin the call whose turn it is, if there is a thread for it; the lock is held."""
        while self._running.total() <= self._threads:
            free = (each for each in self._queues if self._running[each] < self._threads)
            client = next(free, None)
            if client is None:
                return
            queue = self._queues.pop(client)
            queued = queue.popleft()
            if queue:
                self._queues[client] = queue  # behind all others
            if queued.future.set_running_or_notify_cancel():
                self._running[client] += 1
                made = self._executor.submit(queued.call)
                made.add_done_callback(partial(self._finished, client, queued.future))
                return

    def _finished(self, client: str, future: Future[T], made: Future[T]) -> None:
        """Pass on what came of a call, and leave its thread to the next one."""
        with self._lock:
            self._running[client] -= 1
            if not self._running[client]:
                del self._running[client]  # clients come and go
            self._begin_next()
        error = made.exception()
        if error is None:
            future.set_result(made.result())
        else:
            future.set_exception(error)

    async def close(self) -> None:
        """Drop queued calls, and wait for running ones."""
        with self._lock:
            for queued in chain(*self._queues.values()):
                queued.future.cancel()
            self._queues.clear()
        await asyncio.to_thread(self._executor.shutdown)
