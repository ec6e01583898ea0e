"""Tells the end of a timeout from a `TimeoutError` of what ran within it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


@asynccontextmanager
async def translate_expiry(
    scope: asyncio.Timeout, error: Callable[[], Exception]
) -> AsyncIterator[None]:
    """Run the block within `scope`, and raise `error()` where that expires.

    A `TimeoutError` of the block's own stays what it is.
    """
    try:
        async with scope:
            yield
    except TimeoutError as exc:
        if not scope.expired():
            raise
        raise error() from exc
