"""Times out a body that stalls, however long it takes in all."""

import asyncio
from collections.abc import AsyncIterator

from service.errors import DeadlineExceededError
from service.expiry import translate_expiry

# Or a byte now and then would hold a place for ever.
_PROGRESS_BYTES = 16 * 1024


async def with_stall_timeout(stream: AsyncIterator[bytes], stall_s: float) -> AsyncIterator[bytes]:
    """The chunks of a body, of which enough must come in any `stall_s`.

    Raises:
        DeadlineExceededError: fewer do.
    """

    def stalled() -> DeadlineExceededError:
        return DeadlineExceededError(f"the body did not move on for {stall_s:g} s")

    clock = asyncio.get_running_loop().time
    chunks = aiter(stream)
    stalled_at, fresh = clock() + stall_s, 0
    while True:
        async with translate_expiry(asyncio.timeout_at(stalled_at), stalled):
            chunk = await anext(chunks, None)
        if chunk is None:
            return
        fresh += len(chunk)
        if fresh >= _PROGRESS_BYTES:
            stalled_at, fresh = clock() + stall_s, 0
        yield chunk
