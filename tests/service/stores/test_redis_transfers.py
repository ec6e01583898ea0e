"""Sessions of many bytes, and Redis behind a link that takes its time."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import redis

from model.contract import SupportSet
from service.errors import StoreUnavailableError
from service.stores import SessionContent, redis_link
from service.stores import redis as redis_store
from service.stores.redis import RedisStore
from service.stores.redis_record import read_content
from tests.service.redis_server import RedisServer
from tests.service.session_limits import LIMITS
from tests.service.stores.slow_link import SlowLink
from tests.service.stores.supports import key, shot

pytestmark = pytest.mark.redis

MIB = 1024 * 1024
TIMEOUT_S = 0.5
ROOMY = LIMITS._replace(max_owner_bytes=1024 * MIB)


@pytest.fixture
async def replica(own_redis: RedisServer) -> AsyncIterator[Callable[..., RedisStore]]:
    """Makes stores that share one Redis."""
    async with AsyncExitStack() as stack:

        def build(url: str = own_redis.url, timeout_s: float = 20.0) -> RedisStore:
            store = RedisStore(url, ROOMY, max_bytes=1024 * MIB, timeout_s=timeout_s)
            stack.push_async_callback(store.close)
            return store

        yield build


def supports_of(mib: int) -> SupportSet:
    """A class that takes so many MiB."""
    return SupportSet((shot(tokens=mib * MIB // 16),))


async def cold_sessions(writer: RedisStore, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Twelve sessions of 4 MiB, of which one may be fetched at a time."""
    monkeypatch.setattr(redis_store, "_FETCH_BYTES", 4 * MIB)
    names = [f"s{number}" for number in range(12)]
    for name in names:
        await writer.create(key(name), "m", "cat", supports_of(4))
    return names


async def test_a_large_session_may_take_longer_than_the_timeout(
    replica: Callable[..., RedisStore],
    own_redis: RedisServer,
    redis_directory: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redis_link, "_BYTES_PER_S", 4 * MIB)
    content = SessionContent("m", 1.0, {"cat": supports_of(16)})
    async with SlowLink(redis_directory / "slow", 16 * MIB).serving(own_redis) as link:
        writer, reader = replica(link.url, TIMEOUT_S), replica(link.url, TIMEOUT_S)
        await writer.restore(key("s"), content)
        began = time.monotonic()
        assert (await reader.get(key("s"))).content.nbytes == content.nbytes
        assert time.monotonic() - began > TIMEOUT_S


async def test_cold_sessions_take_turns_and_none_is_lost(
    replica: Callable[..., RedisStore],
    own_redis: RedisServer,
    redis_directory: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = await cold_sessions(replica(), monkeypatch)
    # All at once would take 3 s, and one of them may take 1 s.
    async with SlowLink(redis_directory / "slow", 16 * MIB).serving(own_redis) as link:
        reader = replica(link.url, TIMEOUT_S)
        sessions = await asyncio.gather(*(reader.get(key(name)) for name in names))
    assert [session.session_id for session in sessions] == names


async def test_sessions_that_wait_for_their_turn_are_told_of_an_outage_together(
    replica: Callable[..., RedisStore],
    own_redis: RedisServer,
    redis_directory: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = await cold_sessions(replica(), monkeypatch)
    async with SlowLink(redis_directory / "slow", 16 * MIB).serving(own_redis) as link:
        reader = replica(link.url, TIMEOUT_S)
        asking = [asyncio.create_task(reader.get(key(name))) for name in names]
        await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        link.stop()
        began = time.monotonic()
        outcomes = await asyncio.gather(*asking, return_exceptions=True)
        assert time.monotonic() - began < 10 * TIMEOUT_S
    failed = [each for each in outcomes if isinstance(each, BaseException)]
    assert len(failed) > len(names) / 2
    assert all(isinstance(each, StoreUnavailableError) for each in failed)


async def test_sessions_that_nobody_waits_for_any_more_are_not_fetched(
    replica: Callable[..., RedisStore],
    own_redis: RedisServer,
    redis_directory: Path,
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = await cold_sessions(replica(), monkeypatch)
    before = fetches(redis_client)
    async with SlowLink(redis_directory / "slow", 16 * MIB).serving(own_redis) as link:
        reader = replica(link.url, TIMEOUT_S)
        asking = [asyncio.create_task(reader.get(key(name))) for name in names]
        await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        for caller in asking:
            caller.cancel()
        await asyncio.wait(asking)
        # Their turns and connections are free again: this one waits for none of them.
        assert (await reader.get(key(names[-1]))).session_id == names[-1]
    assert fetches(redis_client) - before <= 3  # one was done, one was under way


def fetches(client: redis.Redis) -> int:
    """Hashes that Redis has read as a whole so far."""
    return int(client.info("commandstats")["cmdstat_hgetall"]["calls"])


async def test_a_session_that_is_being_decoded_keeps_its_turn_when_its_caller_goes(
    replica: Callable[..., RedisStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = await cold_sessions(replica(), monkeypatch)
    begun, proceed = threading.Event(), threading.Event()

    def slow(*arguments: Any) -> SessionContent:
        begun.set()
        proceed.wait()
        return read_content(*arguments)

    monkeypatch.setattr(redis_store, "read_content", slow)
    reader = replica()
    gone = asyncio.create_task(reader.get(key(names[0])))
    try:
        assert await asyncio.to_thread(begun.wait, 20)
        begun.clear()
        gone.cancel()
        after = asyncio.create_task(reader.get(key(names[1])))
        for _ in range(50):  # round trips, of which it would take three
            await reader.ping()
        assert not begun.is_set()
    finally:
        proceed.set()
    assert (await after).session_id == names[1]
    assert gone.cancelled()


async def test_a_large_write_to_a_redis_that_is_away_fails_within_the_timeout(
    replica: Callable[..., RedisStore], own_redis: RedisServer
) -> None:
    store = replica(timeout_s=TIMEOUT_S)
    await store.ping()
    own_redis.freeze()
    began = time.monotonic()
    with pytest.raises(StoreUnavailableError):
        await store.create(key("s"), "m", "cat", supports_of(64))
    assert time.monotonic() - began < 8 * TIMEOUT_S
    own_redis.thaw()


async def test_readiness_waits_for_no_connection_behind_sessions(
    replica: Callable[..., RedisStore],
    own_redis: RedisServer,
    redis_directory: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redis_link, "_MAX_CONNECTIONS", 1)
    await replica().create(key("s"), "m", "cat", supports_of(32))
    async with SlowLink(redis_directory / "slow", 16 * MIB).serving(own_redis) as link:
        store = replica(link.url, TIMEOUT_S)
        fetching = asyncio.create_task(store.get(key("s")))
        await asyncio.sleep(TIMEOUT_S / 5)
        await store.ping()
        assert not fetching.done()
        await fetching


async def test_a_redis_that_restarted_is_sent_a_registration_once(
    replica: Callable[..., RedisStore], own_redis: RedisServer
) -> None:
    store, supports = replica(), supports_of(8)
    with redis.Redis.from_url(own_redis.url) as client:
        before = client.info("stats")["total_net_input_bytes"]
        await store.create(key("s"), "m", "cat", supports)
        sent = client.info("stats")["total_net_input_bytes"] - before
    assert supports.nbytes < sent < 1.5 * supports.nbytes
