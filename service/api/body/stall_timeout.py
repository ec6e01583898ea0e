"""Times out a body that stalls, however long it takes in all."""

import asyncio
from collections.abc import AsyncIterator

from service.errors import DeadlineExceededError

# Or a byte now and then would hold a place for ever.
_PROGRESS_BYTES = 16 * 1024


async def with_stall_timeout(stream: AsyncIterator[bytes], stall_s: float) -> AsyncIterator[bytes]:
    """The chunks of a body, of which enough must come in any `stall_s`.

    Raises:
        DeadlineExceededError: fewer do.
    """
    clock = asyncio.get_running_loop().time
    chunks = aiter(stream)
    stalled_at, fresh = clock() + stall_s, 0
    while True:
        waiting = asyncio.timeout_at(stalled_at)
        try:
            async with waiting:
                chunk = await anext(chunks)
        except StopAsyncIteration:
            return
        except TimeoutError as exc:
            if not waiting.expired():
                raise
            raise DeadlineExceededError(f"the body did not move on for {stall_s:g} s") from exc
        fresh += len(chunk)
        if fresh >= _PROGRESS_BYTES:
            stalled_at, fresh = clock() + stall_s, 0
        yield chunk
