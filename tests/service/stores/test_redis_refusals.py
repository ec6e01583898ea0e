"""A Redis that answers and refuses: who asks for readiness is told, and the log says why."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import redis

from service.errors import StoreUnavailableError
from service.stores.redis import RedisStore
from tests.service.redis_server import RedisServer
from tests.service.session_limits import LIMITS
from tests.service.stores.refusing import fail_snapshots, forbid
from tests.service.stores.supports import key, shots

pytestmark = pytest.mark.redis


@pytest.fixture
async def open_store() -> AsyncIterator[Callable[[str], RedisStore]]:
    """Makes stores with the prefix `fss`."""
    async with AsyncExitStack() as stack:

        def build(url: str) -> RedisStore:
            store = RedisStore(url, LIMITS, max_bytes=10**6, timeout_s=20.0)
            stack.push_async_callback(store.close)
            return store

        yield build


async def refused(store: RedisStore, caplog: pytest.LogCaptureFixture) -> str:
    """Why a ping is refused, by the error and by the log."""
    caplog.clear()
    with caplog.at_level(logging.WARNING), pytest.raises(StoreUnavailableError) as caught:
        await store.ping()
    (record,) = caplog.records
    assert record.__dict__["error"] == caught.value.reason
    assert caught.value.detail == StoreUnavailableError.title
    return caught.value.reason


async def test_a_ping_leaves_nothing_behind(
    own_redis: RedisServer, redis_client: redis.Redis, open_store: Callable[[str], RedisStore]
) -> None:
    await open_store(own_redis.url).ping()
    assert redis_client.dbsize() == 0


@pytest.mark.parametrize("rights", ["~other:* +@all", "~fss:* +@all -@scripting", "~fss:* +@read"])
async def test_a_user_without_the_rights_is_not_ready(
    own_redis: RedisServer,
    redis_client: redis.Redis,
    open_store: Callable[[str], RedisStore],
    caplog: pytest.LogCaptureFixture,
    rights: str,
) -> None:
    store = open_store(forbid(own_redis, redis_client, rights))
    assert await refused(store, caplog) == "NOPERM"


async def test_a_replica_is_not_ready(
    own_redis: RedisServer,
    redis_client: redis.Redis,
    open_store: Callable[[str], RedisStore],
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = open_store(own_redis.url)
    await store.ping()
    redis_client.replicaof("127.0.0.1", 1)
    assert await refused(store, caplog) == "READONLY"


async def test_a_redis_that_cannot_save_is_not_ready(
    own_redis: RedisServer,
    redis_client: redis.Redis,
    redis_directory: Path,
    open_store: Callable[[str], RedisStore],
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = open_store(own_redis.url)
    await store.ping()
    fail_snapshots(redis_client, redis_directory)
    assert await refused(store, caplog) == "MISCONF"


async def test_a_full_redis_is_ready_since_it_is_still_read_from(
    own_redis: RedisServer,
    redis_client: redis.Redis,
    open_store: Callable[[str], RedisStore],
) -> None:
    store = open_store(own_redis.url)
    await store.create(key("s"), "m", "cat", shots(1))
    redis_client.config_set("maxmemory", "1")
    await store.ping()
    await store.get(key("s"))
    with pytest.raises(StoreUnavailableError) as caught:
        await store.create(key("t"), "m", "cat", shots(1))
    assert caught.value.reason == "OOM"


async def test_a_ping_after_a_failover_goes_where_the_address_leads(
    own_redis: RedisServer,
    redis_client: redis.Redis,
    redis_server: RedisServer,
    redis_directory: Path,
    open_store: Callable[[str], RedisStore],
) -> None:
    address = redis_directory / "primary"
    address.symlink_to(own_redis.socket)
    store = open_store(f"unix://{address}?db=0")
    await store.ping()
    redis_client.replicaof("127.0.0.1", 1)
    address.unlink()
    address.symlink_to(redis_server.socket)
    with pytest.raises(StoreUnavailableError):
        await store.ping()
    await store.ping()


async def test_what_keeps_failing_alike_is_logged_once(
    own_redis: RedisServer,
    redis_client: redis.Redis,
    open_store: Callable[[str], RedisStore],
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = open_store(own_redis.url)
    await store.create(key("s"), "m", "cat", shots(1))

    async def logged(calls: int = 5) -> list[tuple[str, str]]:
        """What is logged of registrations that fail, each after a query that does not."""
        caplog.clear()
        for _ in range(calls):
            await store.get(key("s"))
            with pytest.raises(StoreUnavailableError):
                await store.create(key("t"), "m", "cat", shots(1))
        return [(entry.__dict__["call"], entry.__dict__["error"]) for entry in caplog.records]

    redis_client.config_set("maxmemory", "1")
    assert await logged() == [("write", "OOM")]
    assert await logged() == []
    redis_client.config_set("maxmemory", "0")
    await store.create(key("t"), "m", "cat", shots(1))
    redis_client.config_set("maxmemory", "1")
    assert await logged() == [("write", "OOM")]  # it had recovered


async def test_another_cause_is_logged_too(
    own_redis: RedisServer,
    redis_client: redis.Redis,
    open_store: Callable[[str], RedisStore],
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = open_store(own_redis.url)
    await store.create(key("s"), "m", "cat", shots(1))
    redis_client.replicaof("127.0.0.1", 1)
    for _ in range(3):
        with pytest.raises(StoreUnavailableError):
            await store.get(key("s"))
    own_redis.kill()
    for _ in range(3):
        with pytest.raises(StoreUnavailableError):
            await store.get(key("s"))
    causes = [entry.__dict__["error"] for entry in caplog.records]
    assert causes == ["READONLY", "ConnectionError"]
