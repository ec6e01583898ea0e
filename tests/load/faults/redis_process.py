"""A Redis of its own that keeps an append-only file, so that killing it loses nothing."""

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.load.service_process import ServiceProcessError
from tests.load.wire import HOST
from tests.service.processes import unused_port

_START_TIMEOUT_S = 20.0
_POLL_S = 0.05


class RedisProcess:
    """`redis-server` on a free port.

    Args:
        folder: for its append-only file.
    """

    def __init__(self, folder: Path) -> None:
        self._port = unused_port()
        self.url = f"redis://{HOST}:{self._port}/0"
        # fsync at every write: what was acknowledged is on the disk.
        self._command = ["redis-server", "--port", str(self._port), "--dir", str(folder)]
        self._command += ["--bind", HOST, "--save", "", "--loglevel", "warning"]
        self._command += ["--appendonly", "yes", "--appendfsync", "always"]
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it, and wait until it has read what it kept.

        Raises:
            ServiceProcessError: it does not answer.
        """
        self._spawn()
        client = Redis.from_url(self.url)
        deadline = time.monotonic() + _START_TIMEOUT_S
        try:
            while not await _answers(client):
                if time.monotonic() > deadline:
                    raise ServiceProcessError("redis-server does not answer")
                await asyncio.sleep(_POLL_S)
        finally:
            await client.aclose()

    def _spawn(self) -> None:
        try:
            self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        except FileNotFoundError as exc:
            raise ServiceProcessError("redis-server is not installed") from exc

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


async def _answers(client: Redis) -> bool:
    try:
        return bool(await client.ping())
    except RedisError:
        return False


@asynccontextmanager
async def redis_running(folder: Path) -> AsyncIterator[RedisProcess]:
    """A Redis that answers, for the block."""
    redis = RedisProcess(folder)
    try:
        await redis.start()
        yield redis
    finally:
        redis.kill()
