"""Ends a block of a request's work at a deadline, or on an event outside of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from service.errors import DeadlineExceededError
from service.expiry import translate_expiry


@asynccontextmanager
async def cancel_when(
    event: Callable[[], Awaitable[object]], error: Callable[[], Exception]
) -> AsyncIterator[None]:
    """Run the block, but cancel it and raise `error()` as soon as `event()` returns.

    What the block awaits is cancelled, so queued work is withdrawn with it.
    """
    loop = asyncio.get_running_loop()
    scope = asyncio.timeout(None)  # tells its own cancellation from one that others asked for

    async def watch() -> None:
        await event()
        scope.reschedule(loop.time())

    async with translate_expiry(scope, error):
        watcher = asyncio.create_task(watch())
        try:
            yield
        finally:
            watcher.cancel()


def cancel_on_disconnect(request: Request) -> AbstractAsyncContextManager[None]:
    """Run the block, but cancel it with `ClientDisconnect` when the client disconnects.

    The body must have been read before.
    """
    return cancel_when(partial(_disconnected, request.receive), ClientDisconnect)


@asynccontextmanager
async def within_deadline(seconds: float, message: str) -> AsyncIterator[None]:
    """Run the block, but cancel it after `seconds`, which `message` is formatted with.

    Raises:
        DeadlineExceededError.
    """
    scope = asyncio.timeout(seconds)
    async with translate_expiry(scope, lambda: DeadlineExceededError(message.format(seconds))):
        yield


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
