"""Waits for work that cannot be cancelled, such as a running thread."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def result_of(task: asyncio.Future[T], *, withdraw: Callable[[], object] | None = None) -> T:
    """The result of work that cannot be cancelled: a cancellation waits until it ends.

    Args:
        task: what is waited for.
        withdraw: called at a cancellation, for what has not begun.
    """
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if withdraw is not None:
            withdraw()
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # asyncio would log one that nobody has asked for
        raise
