"""Ends a block of a request's work when something happens outside of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from starlette.types import Receive


@asynccontextmanager
async def unless(
    happening: Callable[[], Awaitable[None]], error: Callable[[], Exception]
) -> AsyncIterator[None]:
    """Run the block, but end it with `error` as soon as `happening` returns.

    What the block awaits is cancelled, so queued work is withdrawn with it.
    """
    loop = asyncio.get_running_loop()
    scope = asyncio.timeout(None)  # its cancellation is told apart from one that others asked for

    async def watch() -> None:
        await happening()
        scope.reschedule(loop.time())

    try:
        async with scope:
            watcher = asyncio.create_task(watch())
            try:
                yield
            finally:
                watcher.cancel()
    except TimeoutError as exc:
        if not scope.expired():
            raise
        raise error() from exc


async def disconnected(receive: Receive) -> None:
    """Wait until the client of a request whose body was read has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
