"""A bound on the bytes of the sessions that are being fetched at the same time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service.errors import StoreUnavailableError


class TransferTurns:
    """Admits transfers, first come first served, while their bytes fit; a larger one goes alone.

    Used from one event loop.

    Args:
        capacity: bytes that may be moved at once.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._free = capacity
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()
        self._outages = 0

    @asynccontextmanager
    async def hold(self, nbytes: int) -> AsyncIterator[None]:
        """A block that moves so many bytes.

        Raises:
            StoreUnavailableError: one that was before it ended like that. Each that waits would
                find the same, one timeout after another.
        """
        weight = min(nbytes, self._capacity)
        outages = self._outages
        # One at a time waits for room, or small ones would pass a large one for ever.
        async with self._turn:
            while self._free < weight and self._outages == outages:
                self._freed.clear()
                await self._freed.wait()
            if self._outages != outages:
                raise StoreUnavailableError
            self._free -= weight
        try:
            yield
        except StoreUnavailableError:
            self._outages += 1
            raise
        finally:
            self._free += weight
            self._freed.set()
