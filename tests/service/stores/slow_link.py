"""A link to Redis that is slow, or stops."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.service.redis_server import RedisServer

_PIECE_BYTES = 65536


class SlowLink:
    """Passes on what clients and Redis send, all connections together at one rate.

    Args:
        socket: where it listens; its path must be short.
        bytes_per_s: how much it moves in both directions together.
    """

    def __init__(self, socket: Path, bytes_per_s: float) -> None:
        self._socket = socket
        self._bytes_per_s = bytes_per_s
        self._free_at = 0.0
        self._open = asyncio.Event()
        self._open.set()

    @property
    def url(self) -> str:
        """What a store is opened by."""
        return f"unix://{self._socket}?db=0"

    def stop(self) -> None:
        """Keep connections and move nothing more."""
        self._open.clear()

    @asynccontextmanager
    async def serving(self, server: RedisServer) -> AsyncIterator["SlowLink"]:
        """A block in which it leads to a server."""
        carrying: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            carrying.add(asyncio.create_task(self._carry(server, reader, writer)))

        listening = await asyncio.start_unix_server(accept, self._socket)
        try:
            yield self
        finally:
            listening.close()
            await listening.wait_closed()
            for task in carrying:
                task.cancel()
            await asyncio.gather(*carrying, return_exceptions=True)

    async def _carry(
        self, server: RedisServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """One connection, until either side closes it."""
        answers, requests = await asyncio.open_unix_connection(server.socket)
        ways = [
            asyncio.create_task(self._pass(reader, requests)),
            asyncio.create_task(self._pass(answers, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            for side in (writer, requests):
                side.close()
                with suppress(OSError):
                    await side.wait_closed()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(_PIECE_BYTES):
                now = time.monotonic()
                self._free_at = max(now, self._free_at) + len(piece) / self._bytes_per_s
                await asyncio.sleep(self._free_at - now)
                await self._open.wait()
                writer.write(piece)
                await writer.drain()
