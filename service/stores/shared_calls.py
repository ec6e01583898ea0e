"""Concurrent callers with the same key share one call (single flight)."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Generic, TypeVar

Key = TypeVar("Key")
Result = TypeVar("Result")


class SharedCalls(Generic[Key, Result]):
    """At most one call for each key at a time; used from one event loop."""

    def __init__(self) -> None:
        self._running: dict[Key, asyncio.Task[Result]] = {}

    def running(self, key: Key) -> bool:
        """Whether a call is in progress that `join` would wait for."""
        return self._find(key) is not None

    async def join(self, key: Key, call: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """The outcome of the call in progress, or else of a new one.

        It goes on when a caller is cancelled: others may wait for it.
        """
        task = self._find(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(call())
            task.add_done_callback(partial(self._finished, key))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Wait for the calls in progress."""
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _find(self, key: Key) -> asyncio.Task[Result] | None:
        """The call in progress; one that has ended is kept for a turn of the loop longer."""
        task = self._running.get(key)
        return None if task is None or task.done() else task

    def _finished(self, key: Key, task: asyncio.Task[Result]) -> None:
        if self._running.get(key) is task:  # and not one that began since
            del self._running[key]
        if not task.cancelled():
            task.exception()  # seen, even where every caller has gone
