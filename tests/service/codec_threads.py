"""Calls of clients on the codec threads."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from service.sessions import CodecPool, codec_client


@asynccontextmanager
async def occupied(pool: CodecPool, client: str) -> AsyncIterator[None]:
    """A block in which a client has a thread."""
    begun, go_on = threading.Event(), threading.Event()

    def occupy() -> None:
        begun.set()
        go_on.wait(20)

    holding = submit(pool, client, occupy)
    await asyncio.to_thread(begun.wait, 20)
    try:
        yield
    finally:
        go_on.set()
        await holding


def submit(pool: CodecPool, client: str, call: Callable[[], object]) -> "asyncio.Task[object]":
    """A task of a client, whose call is queued once the task has begun."""
    with codec_client(client):
        return asyncio.create_task(pool.run(call))
