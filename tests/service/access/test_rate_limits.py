"""Rate limits over both storages, and with the second one out of reach."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from service.access import RateLimits, RateStorage
from tests.service.processes import unused_port
from tests.service.redis_server import RedisServer


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def store_url(request: pytest.FixtureRequest) -> str:
    if request.param == "memory":
        return "memory://"
    server: RedisServer = request.getfixturevalue("redis_server")
    return server.url


@asynccontextmanager
async def limiting(limits: str, url: str, prefix: str = "none") -> AsyncIterator[RateLimits]:
    rate_limits = RateLimits(limits, RateStorage(url, prefix))
    try:
        yield rate_limits
    finally:
        await rate_limits.close()


async def test_so_many_and_no_more_each(store_url: str, prefix: str) -> None:
    async with limiting("2/day", store_url, prefix) as limits:
        verdicts = [await limits.take("many") for _ in range(3)]
        assert [verdict.retry_after_s is None for verdict in verdicts] == [True, True, False]
        assert [verdict.quotas[0].remaining for verdict in verdicts] == [1, 0, 0]
        assert 1 <= (verdicts[2].retry_after_s or 0) <= 2 * 24 * 3600
        assert (await limits.take("another")).retry_after_s is None


async def test_request_fits_after_the_time_that_was_told(store_url: str, prefix: str) -> None:
    async with limiting("3/2second", store_url, prefix) as limits:
        while (verdict := await limits.take("waiting")).retry_after_s is None:
            pass
        await asyncio.sleep(verdict.retry_after_s)
        assert (await limits.take("waiting")).retry_after_s is None


async def test_every_limit_holds_and_the_longest_wait_is_told(store_url: str, prefix: str) -> None:
    async with limiting("3/day;100/hour", store_url, prefix) as limits:
        verdicts = [await limits.take("both") for _ in range(4)]
        assert [verdict.retry_after_s is None for verdict in verdicts] == [True] * 3 + [False]
        assert [quota.window_s for quota in verdicts[3].quotas] == [3600, 24 * 3600]
        assert verdicts[3].retry_after_s == pytest.approx(verdicts[3].quotas[1].reset_s, abs=2)


@pytest.mark.redis
async def test_replicas_share_what_redis_counts(redis_server: RedisServer, prefix: str) -> None:
    url = redis_server.url
    async with limiting("1/day", url, prefix) as first, limiting("1/day", url, prefix) as second:
        assert (await first.take("shared")).retry_after_s is None
        assert (await second.take("shared")).retry_after_s is not None


@asynccontextmanager
async def silent_server() -> AsyncIterator[int]:
    """A port that takes connections and never says a word."""
    gone = asyncio.Event()

    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gone.wait()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with server:
        yield int(server.sockets[0].getsockname()[1])
        gone.set()


@pytest.mark.parametrize("silent", [True, False])
async def test_without_redis_requests_pass_soon_and_it_is_said(
    caplog: pytest.LogCaptureFixture, silent: bool
) -> None:
    async with silent_server() as port:
        url = f"redis://127.0.0.1:{port if silent else unused_port()}/0"
        async with limiting("1/day", url) as limits:
            started = time.monotonic()
            verdicts = [await limits.take("anyone") for _ in range(20)]
            assert time.monotonic() - started < 5
        assert all(verdict == (None, ()) for verdict in verdicts)
        assert "out of reach" in caplog.text


@pytest.mark.redis
async def test_limits_hold_again_once_redis_is_back(redis_directory: Path) -> None:
    seconds = [0.0]
    server = RedisServer(redis_directory)
    server.start()
    limits = RateLimits("1/day", RateStorage(server.url, "fss"), clock=lambda: seconds[0])
    assert (await limits.take("one")).retry_after_s is None
    server.kill()
    assert (await limits.take("one")).retry_after_s is None
    server.start()
    seconds[0] += 1
    assert (await limits.take("one")).retry_after_s is None  # it forgot when it ended
    assert (await limits.take("one")).retry_after_s is not None
    await limits.close()
    server.kill()
