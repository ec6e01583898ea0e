"""Concurrent callers with the same key share one call (single flight)."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

Key = TypeVar("Key")
Result = TypeVar("Result")


@dataclass(eq=False)
class _Call(Generic[Result]):
    """A call in progress, and how many wait for it."""

    task: asyncio.Task[Result]
    callers: int = 0


class SharedCalls(Generic[Key, Result]):
    """At most one call for each key that somebody waits for; used from one event loop."""

    def __init__(self) -> None:
        self._running: dict[Key, _Call[Result]] = {}
        self._tasks: set[asyncio.Task[Result]] = set()  # those that end for want of callers too

    def running(self, key: Key) -> bool:
        """Whether a call is in progress that `join` would wait for."""
        return self._find(key) is not None

    async def join(self, key: Key, call: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """The outcome of the call in progress, or else of a new one.

        It goes on when a caller is cancelled, and is cancelled itself with the last of them.
        """
        shared = self._find(key) or self._begin(key, call)
        shared.callers += 1
        try:
            return await asyncio.shield(shared.task)
        finally:
            shared.callers -= 1
            if shared.callers == 0:
                self._forget(key, shared)  # first, so that nobody joins what is being cancelled
                shared.task.cancel()

    async def close(self) -> None:
        """Wait for the calls in progress."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _find(self, key: Key) -> _Call[Result] | None:
        """The call in progress; one that has ended is kept until its callers have seen it."""
        shared = self._running.get(key)
        return None if shared is None or shared.task.done() else shared

    def _begin(self, key: Key, call: Callable[[], Coroutine[Any, Any, Result]]) -> _Call[Result]:
        shared = self._running[key] = _Call(asyncio.create_task(call()))
        self._tasks.add(shared.task)
        shared.task.add_done_callback(partial(self._finished, key, shared))
        return shared

    def _finished(self, key: Key, shared: _Call[Result], task: asyncio.Task[Result]) -> None:
        self._tasks.discard(task)
        self._forget(key, shared)
        if not task.cancelled():
            task.exception()  # seen, even where every caller has gone

    def _forget(self, key: Key, shared: _Call[Result]) -> None:
        if self._running.get(key) is shared:  # and not one that began since
            del self._running[key]
