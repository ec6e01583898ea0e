"""Batches that are loaded before the steps that use them."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class Prefetcher(Generic[T]):
    """Loads item `first`, `first + 1`, … in threads, and hands them out in that order.

    An exception in `load` is raised by `next` for its item. Leaving the context waits for running
    loads and drops the others.

    Args:
        load: number → item; a pure function, since several run at once.
        first: the first number.
        ahead: maximum number of items that are loaded or being loaded.
        workers: threads.
        enter_thread: called in each thread before its first load.
    """

    def __init__(
        self,
        load: Callable[[int], T],
        *,
        first: int,
        ahead: int,
        workers: int,
        enter_thread: Callable[[], None],
    ) -> None:
        self._load, self._numbers = load, count(first)
        self._pool = ThreadPoolExecutor(workers, "batches", enter_thread)
        self._coming: deque[Future[T]] = deque(self._submit() for _ in range(ahead))

    def _submit(self) -> Future[T]:
        return self._pool.submit(self._load, next(self._numbers))

    def __next__(self) -> T:
        item = self._coming.popleft().result()
        # After the wait, so that at most `ahead` items are held besides the one in use.
        self._coming.append(self._submit())
        return item

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
