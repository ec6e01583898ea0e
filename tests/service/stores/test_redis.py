"""What only Redis has: replicas, restarts, outages, local copies, and data of others."""

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import redis

from service.errors import (
    LimitExceededError,
    SessionNotFoundError,
    StoreUnavailableError,
    UnreadableSessionError,
)
from service.schemas import RegisterMode
from service.stores import (
    IdempotencyToken,
    SessionContent,
    SessionLimits,
    ShotSpec,
    encode_supports,
)
from service.stores import redis as redis_store
from service.stores.redis import RedisStore
from service.stores.redis_record import read_content
from tests.service.redis_server import RedisServer
from tests.service.session_limits import LIMITS
from tests.service.stores.supports import SHOT_BYTES, key, shots, some, values

pytestmark = pytest.mark.redis

ROOT = Path(__file__).parents[3]
PROCESSES = 3
APPENDS = 8

APPENDING = """
import asyncio, sys
from service.stores.redis import RedisStore
from tests.service.session_limits import LIMITS
from tests.service.stores.supports import key, shots

async def main(url, prefix, process, count):
    store = RedisStore(url, LIMITS._replace(max_shots=999), max_bytes=10**6, prefix=prefix,
                       timeout_s=20)
    await asyncio.gather(*(
        store.put(key("s"), "m", "cat", shots(process * count + i), "append")
        for i in range(count)
    ))
    await store.close()

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
"""


@pytest.fixture
async def replica(
    redis_server: RedisServer, prefix: str
) -> AsyncIterator[Callable[..., RedisStore]]:
    """Makes stores that share one Redis, as the replicas of a service do."""
    async with AsyncExitStack() as stack:

        def build(
            url: str = redis_server.url,
            limits: SessionLimits = LIMITS,
            **options: object,
        ) -> RedisStore:
            arguments = {"max_bytes": 10**6, "prefix": prefix, "timeout_s": 20.0} | options
            store = RedisStore(url, limits, **arguments)  # type: ignore[arg-type]
            stack.push_async_callback(store.close)
            return store

        yield build


@pytest.fixture
def own_server(redis_directory: Path) -> Iterator[RedisServer]:
    """A server to be maltreated; it keeps what it was told."""
    server = RedisServer(redis_directory, persistent=True)
    server.start()
    yield server
    server.kill()


async def test_replicas_see_each_others_sessions(replica: Callable[..., RedisStore]) -> None:
    one, two = replica(), replica()
    await one.create(key("s"), "m", "cat", shots(1))
    assert values((await two.get(key("s"))).classes["cat"]) == [1]
    await two.put(key("s"), "m", "cat", shots(2), "append")
    assert values((await one.get(key("s"))).classes["cat"]) == [1, 2]
    await one.delete_class(key("s"), "cat")
    assert (await two.get(key("s"))).classes == {}
    await two.delete(key("s"))
    with pytest.raises(SessionNotFoundError):
        await one.get(key("s"))


async def test_a_change_is_made_once_whichever_replicas_are_asked(
    replica: Callable[..., RedisStore],
) -> None:
    replicas = [replica() for _ in range(3)]
    once = IdempotencyToken("k", "request")
    made = await asyncio.gather(
        *(
            store.create(key(f"s{number}"), "m", "cat", shots(1), once)
            for number, store in enumerate(replicas * 3)
        )
    )
    (found,) = {session.key for session in made}
    again = IdempotencyToken("l", "request")
    await asyncio.gather(
        *(store.put(found, "m", "cat", shots(2), "append", again) for store in replicas * 3)
    )
    for store in replicas:
        assert values((await store.get(found)).classes["cat"]) == [1, 2]
        assert await store.find_done("owner", again) == found


async def test_an_eviction_locks_no_owner_out(
    replica: Callable[..., RedisStore], redis_server: RedisServer, prefix: str
) -> None:
    """Of what an owner's sessions are counted by, Redis may drop a half."""
    limits = LIMITS._replace(ttl_s=1.0, max_owner_sessions=2)
    store = replica(limits=limits)
    await store.create(key("kept"), "m", "cat", shots(1))
    await store.create(key("unused"), "m", "cat", shots(1))
    with redis.Redis.from_url(redis_server.url) as server:
        for name in server.scan_iter(f"{prefix}*expiries*"):
            server.delete(name)
    for _ in range(4):
        await asyncio.sleep(0.4)
        await store.get(key("kept"))
    await store.create(key("new"), "m", "cat", shots(1))


async def test_copies_are_right_while_replicas_change_the_session_at_once(
    replica: Callable[..., RedisStore],
) -> None:
    replicas = [replica() for _ in range(3)]
    await replicas[0].create(key("s"), "m", "cat", shots(0))
    for turn in range(1, 20):
        writer, remover, keeper = (replicas[(turn + shift) % 3] for shift in range(3))
        mode: RegisterMode = "append" if turn % 2 else "replace"
        await asyncio.gather(
            writer.put(key("s"), "m", "cat", shots(turn), mode),
            keeper.put(key("s"), "m", f"class {turn}", shots(turn), "append"),
            remover.delete_class(key("s"), f"class {turn - 1}") if turn > 1 else asyncio.sleep(0),
            *(store.get(key("s")) for store in replicas),
        )
        if turn % 5 == 0:  # away and back again as something else, under the same id
            await remover.delete(key("s"))
            content = SessionContent("m", 1.0, {"cat": shots(turn), f"class {turn}": shots(turn)})
            await keeper.restore(key("s"), content)
        seen = [
            {name: values(each) for name, each in (await store.get(key("s"))).classes.items()}
            for store in (*replicas, replica())  # the last one has no copy
        ]
        assert seen == [seen[-1]] * 4
        assert turn in seen[-1]["cat"]
        assert set(seen[-1]) == {"cat", f"class {turn}"}


async def test_put_answers_with_what_others_put_before(replica: Callable[..., RedisStore]) -> None:
    one, two = replica(), replica()
    await one.create(key("s"), "m", "cat", shots(1))
    await two.put(key("s"), "m", "dog", shots(2), "append")
    session = await one.put(key("s"), "m", "cat", shots(3), "append")
    assert {name: values(each) for name, each in session.classes.items()} == {
        "cat": [1, 3],
        "dog": [2],
    }


async def test_session_made_anew_is_not_taken_for_the_old_one(
    replica: Callable[..., RedisStore],
) -> None:
    one, two = replica(), replica()
    await one.create(key("s"), "m", "cat", shots(1))
    await two.delete(key("s"))
    await two.create(key("s"), "m", "cat", shots(2))
    assert values((await one.get(key("s"))).classes["cat"]) == [2]


async def test_concurrent_appends_of_processes_lose_nothing(
    replica: Callable[..., RedisStore], redis_server: RedisServer, prefix: str
) -> None:
    store = replica()
    await store.create(key("s"), "m", "cat", shots(PROCESSES * APPENDS))
    command = [sys.executable, "-c", APPENDING, redis_server.url, prefix]
    processes = [
        await asyncio.create_subprocess_exec(*command, str(number), str(APPENDS), cwd=ROOT)
        for number in range(PROCESSES)
    ]
    assert [await process.wait() for process in processes] == [0] * PROCESSES
    kept = values((await store.get(key("s"))).classes["cat"])
    assert sorted(kept) == list(range(PROCESSES * APPENDS + 1))


async def test_limits_hold_whichever_replica_writes(redis_server: RedisServer, prefix: str) -> None:
    limits = LIMITS._replace(max_shots=5, max_owner_sessions=4)
    stores = [
        RedisStore(redis_server.url, limits, max_bytes=10**6, prefix=prefix, timeout_s=20)
        for _ in range(3)
    ]
    await stores[0].create(key("s"), "m", "cat", some(1))
    calls = [store.put(key("s"), "m", "cat", some(1), "append") for store in stores * 5]
    calls += [
        store.create(key(f"s{number}"), "m", "cat", some(1))
        for number, store in enumerate(stores * 5)
    ]
    results = await asyncio.gather(*calls, return_exceptions=True)
    refused = [isinstance(result, LimitExceededError) for result in results]
    assert (refused[:15].count(False), refused[15:].count(False)) == (4, 3)
    assert len((await stores[1].get(key("s"))).classes["cat"].shots) == 5
    for store in stores:
        await store.close()


async def test_unchanged_session_is_asked_about_once_and_not_fetched(
    replica: Callable[..., RedisStore], redis_server: RedisServer
) -> None:
    store, other = replica(), replica()
    await other.create(key("s"), "m", "cat", some(20))
    first = await store.get(key("s"))
    with redis.Redis.from_url(redis_server.url) as client:
        calls = command_calls(client)
        for _ in range(5):
            session = await store.get(key("s"))
        assert command_calls(client) - calls == 5
    assert session.classes is first.classes
    assert session.expires_at > first.expires_at


async def test_a_session_that_many_ask_for_at_once_is_fetched_once(
    replica: Callable[..., RedisStore], redis_server: RedisServer
) -> None:
    store, other = replica(), replica()
    await other.create(key("s"), "m", "cat", some(20))
    asking = [asyncio.create_task(store.get(key("s"))) for _ in range(20)]
    with redis.Redis.from_url(redis_server.url) as client:
        fetches = client.info("commandstats").get("cmdstat_hgetall", {"calls": 0})["calls"]
        first, *others = await asyncio.gather(*asking)
        assert client.info("commandstats")["cmdstat_hgetall"]["calls"] - fetches == 1
    assert all(session.classes is first.classes for session in others)


async def test_who_asks_after_a_write_gets_nothing_that_was_fetched_before_it(
    replica: Callable[..., RedisStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, reader = replica(), replica()
    await writer.create(key("s"), "m", "cat", shots(1))
    fetched, proceed = threading.Event(), threading.Event()

    def slow(*arguments: Any) -> SessionContent:
        fetched.set()
        assert proceed.wait(20)
        return read_content(*arguments)

    monkeypatch.setattr(redis_store, "read_content", slow)
    before = asyncio.create_task(reader.get(key("s")))
    try:
        assert await asyncio.to_thread(fetched.wait, 20)
        await writer.put(key("s"), "m", "cat", shots(2), "append")
        after = asyncio.create_task(reader.get(key("s")))
        for _ in range(20):  # round trips, of which it takes one until it waits for the fetch
            await reader.ping()
        assert not after.done()
    finally:
        proceed.set()
    assert [values((await each).classes["cat"]) for each in (before, after)] == [[1], [1, 2]]


async def test_a_caller_who_goes_takes_the_session_from_nobody(
    replica: Callable[..., RedisStore],
) -> None:
    store, other = replica(), replica()
    for turn in range(20):
        await other.create(key(f"s{turn}"), "m", "cat", some(20))
        asking = [asyncio.create_task(store.get(key(f"s{turn}"))) for _ in range(4)]
        await asyncio.sleep(turn * 0.0002)
        asking[0].cancel()
        _, *sessions = await asyncio.gather(*asking, return_exceptions=True)
        assert [len(session.classes["cat"].shots) for session in sessions] == [20] * 3  # type: ignore[union-attr]


async def test_many_who_ask_for_what_is_gone_are_all_told(
    replica: Callable[..., RedisStore], own_server: RedisServer
) -> None:
    store = replica(own_server.url, timeout_s=0.5)
    other = replica(own_server.url)
    await other.create(key("s"), "m", "cat", some(20))
    asking = [asyncio.create_task(store.get(key("s"))) for _ in range(20)]
    await asyncio.sleep(0)
    own_server.kill()
    began = time.monotonic()
    for outcome in await asyncio.gather(*asking, return_exceptions=True):
        assert isinstance(outcome, StoreUnavailableError)
    assert time.monotonic() - began < 5


def command_calls(client: redis.Redis) -> int:
    """Scripts and fetches that clients asked for so far."""
    statistics = client.info("commandstats")
    return sum(
        statistics.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("evalsha", "hgetall")
    )


async def test_local_copies_are_bounded(replica: Callable[..., RedisStore]) -> None:
    store = replica(max_bytes=10 * SHOT_BYTES)
    first = await store.create(key("a"), "m", "cat", some(4))
    second = await store.create(key("b"), "m", "cat", some(4))
    await store.create(key("c"), "m", "cat", some(4))
    assert (store.sessions, store.nbytes) == (2, 8 * SHOT_BYTES)
    assert (await store.get(key("b"))).classes is second.classes
    assert (await store.get(key("a"))).classes is not first.classes


async def test_a_session_that_is_stored_can_be_added_to(
    replica: Callable[..., RedisStore], redis_server: RedisServer, prefix: str
) -> None:
    """Field for field as it lies in a Redis that was filled before an update of the service."""
    fields: dict[str, str | bytes] = {
        "version": b"\x00\xff" * 8,
        "model": "m",
        "created": "1764515123457",
        "next": "7",
        "index": f'[{{"bytes":{SHOT_BYTES},"shots":1,"name":"a\\/b","chunks":[7]}}]',
        "chunk:7": encode_supports(shots(1)),
    }
    await replica().create(key("s"), "another", "dog", some(1))
    with redis.Redis.from_url(redis_server.url) as client:
        (name,) = client.scan_iter(f"{prefix}:session:*")
        client.delete(name)
        client.hset(name, mapping=fields)
    session = await replica().put(key("s"), "m", "a/b", shots(2), "append")
    assert session.created == 1764515123.457
    assert values(session.classes["a/b"]) == [1, 2]
    await replica().put(key("s"), "m", "c", shots(3), "append")
    assert list((await replica().get(key("s"))).classes) == ["a/b", "c"]


async def test_shots_that_are_replaced_or_deleted_leave_nothing_behind(
    replica: Callable[..., RedisStore], redis_server: RedisServer, prefix: str
) -> None:
    store = replica()

    def chunks() -> list[bytes]:
        with redis.Redis.from_url(redis_server.url) as client:
            (name,) = client.scan_iter(f"{prefix}:session:*")
            return sorted(field for field in client.hkeys(name) if field.startswith(b"chunk:"))

    await store.create(key("s"), "m", "cat", shots(1))
    await store.put(key("s"), "m", "cat", shots(2), "append")
    await store.put(key("s"), "m", "dog", shots(3), "append")
    assert chunks() == [b"chunk:1", b"chunk:2", b"chunk:3"]
    await store.put(key("s"), "m", "cat", shots(4), "replace")
    assert chunks() == [b"chunk:3", b"chunk:4"]
    await store.delete_class(key("s"), "dog")
    assert chunks() == [b"chunk:4"]
    await store.create(key("s"), "m", "cat", shots(5))
    assert chunks() == [b"chunk:1"]


@pytest.mark.parametrize("created", [0.0, 1764515123.457, 1e11])
async def test_the_time_a_session_was_made_survives_to_the_millisecond(
    replica: Callable[..., RedisStore], created: float
) -> None:
    one, two = replica(), replica()
    content = SessionContent("m", created, {"cat": shots(1)})
    assert (await one.restore(key("s"), content))[0].created == created
    assert (await two.get(key("s"))).created == created
    await two.put(key("s"), "m", "cat", shots(2), "append")
    assert (await replica().get(key("s"))).created == created


async def test_keys_in_redis_name_nobody(
    replica: Callable[..., RedisStore], redis_server: RedisServer, prefix: str
) -> None:
    once = IdempotencyToken("my-key", "my-request")
    await replica().create(key("my-session", "my-owner"), "m", "cat", some(1), once)
    with redis.Redis.from_url(redis_server.url) as client:
        keys = [name.decode() for name in client.scan_iter(f"{prefix}:*")]
    assert len(keys) == 4
    assert not any("my-" in name for name in keys)


async def test_everything_in_redis_expires(
    replica: Callable[..., RedisStore], redis_server: RedisServer, prefix: str
) -> None:
    store = replica()
    await store.create(key("s"), "m", "cat", some(1))
    await store.put(key("s"), "m", "dog", some(1), "append", IdempotencyToken("k", "request"))
    await store.delete_class(key("s"), "cat")
    with redis.Redis.from_url(redis_server.url) as client:
        assert all(client.pttl(name) > 0 for name in client.scan_iter(f"{prefix}:*"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("index", b"[{"),
        ("index", b'[{"name": "cat", "chunks": []}]'),
        ("index", b'[{"name": "cat", "chunks": ["one"]}]'),
        ("index", b'[{"name": "cat", "chunks": [2]}]'),
        ("model", b"\xff"),
        ("created", b"yesterday"),
        ("created", b"-1"),
        ("created", b"99999999999999999999"),  # no time that `datetime` has
        ("created", b"9" * 400),  # no float either
        ("chunk:1", b"\x80\x04K\x01."),
    ],
)
async def test_broken_data_is_a_clear_error_and_can_be_deleted(
    replica: Callable[..., RedisStore],
    redis_server: RedisServer,
    prefix: str,
    field: str,
    value: bytes,
) -> None:
    await replica().create(key("s"), "m", "cat", some(1))
    with redis.Redis.from_url(redis_server.url) as client:
        (name,) = client.scan_iter(f"{prefix}:session:*")
        client.hset(name, field, value)
    store = replica()
    with pytest.raises(UnreadableSessionError) as caught:
        await store.get(key("s"))
    assert "cat" not in "".join(traceback.format_exception(caught.value))
    await store.delete(key("s"))


async def test_shots_that_the_model_cannot_use_are_not_read(
    replica: Callable[..., RedisStore],
) -> None:
    await replica().create(key("s"), "m", "cat", some(1))
    fitting = ShotSpec(channels=8, high_channels=8, max_shot_bytes=SHOT_BYTES)
    await replica(specs={"m": fitting}).get(key("s"))
    await replica(specs={"another": fitting._replace(channels=9)}).get(key("s"))
    with pytest.raises(UnreadableSessionError):
        await replica(specs={"m": fitting._replace(channels=9)}).get(key("s"))


async def test_sessions_outlive_the_server_that_made_them_and_redis(
    replica: Callable[..., RedisStore], own_server: RedisServer
) -> None:
    first = replica(own_server.url)
    await first.create(key("s"), "m", "cat", shots(1, 2))
    await first.close()
    own_server.kill()
    own_server.start()
    session = await replica(own_server.url).get(key("s"))
    assert values(session.classes["cat"]) == [1, 2]


async def test_redis_that_is_gone_is_an_error_at_once_until_it_is_back(
    replica: Callable[..., RedisStore], own_server: RedisServer
) -> None:
    store = replica(own_server.url)
    await store.create(key("s"), "m", "cat", shots(1))
    await asyncio.gather(*(store.get(key("s")) for _ in range(8)))  # several open connections
    own_server.kill()
    for call in (store.ping, lambda: store.get(key("s")), lambda: store.delete(key("s"))):
        with pytest.raises(StoreUnavailableError):
            await call()
    own_server.start()
    await store.ping()
    sessions = await asyncio.gather(*(store.get(key("s")) for _ in range(8)))
    assert all(values(session.classes["cat"]) == [1] for session in sessions)
    await store.put(key("s"), "m", "cat", shots(2), "append")


async def test_redis_that_does_not_answer_is_not_waited_for(
    replica: Callable[..., RedisStore], own_server: RedisServer
) -> None:
    store = replica(own_server.url, timeout_s=0.3)
    patient = replica(own_server.url)
    await patient.create(key("s"), "m", "cat", shots(1))
    own_server.freeze()
    began = time.monotonic()
    calls = [store.ping(), *(store.get(key("s")) for _ in range(50))]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert time.monotonic() - began < 10
    assert all(isinstance(result, StoreUnavailableError) for result in results)
    own_server.thaw()
    assert values((await patient.get(key("s"))).classes["cat"]) == [1]
    for _ in range(50):  # it first answers what it was asked while it slept
        try:
            await store.ping()
            break
        except StoreUnavailableError:
            await asyncio.sleep(0.1)
    assert values((await store.get(key("s"))).classes["cat"]) == [1]


async def test_full_redis_refuses_writes_and_loses_nothing(
    replica: Callable[..., RedisStore], own_server: RedisServer
) -> None:
    store = replica(own_server.url)
    await store.create(key("s"), "m", "cat", shots(1))
    with redis.Redis.from_url(own_server.url) as client:
        client.config_set("maxmemory", "1")
        for call in (
            store.create(key("t"), "m", "cat", shots(1)),
            store.restore(key("s"), SessionContent("m", 1.0, {})),
            store.put(key("s"), "m", "cat", shots(2), "replace"),
            store.delete_class(key("s"), "cat"),
        ):
            with pytest.raises(StoreUnavailableError):
                await call
        assert values((await replica(own_server.url).get(key("s"))).classes["cat"]) == [1]
        await store.delete(key("s"))
        client.config_set("maxmemory", "0")
    await store.create(key("t"), "m", "cat", shots(1))


async def test_a_demoted_primary_is_left_for_the_one_that_took_its_place(
    replica: Callable[..., RedisStore],
    own_server: RedisServer,
    redis_server: RedisServer,
    redis_directory: Path,
) -> None:
    """Failover moves the address; the old primary stays up, read-only."""
    address = redis_directory / "primary"
    address.symlink_to(own_server.socket)
    store = replica(f"unix://{address}?db=0")
    await store.create(key("s"), "m", "cat", shots(1))
    with redis.Redis.from_url(own_server.url) as demoted:
        demoted.replicaof("127.0.0.1", 1)
    address.unlink()
    address.symlink_to(redis_server.socket)
    with pytest.raises(StoreUnavailableError):
        await store.get(key("s"))
    await store.create(key("t"), "m", "cat", shots(2))
    assert values((await store.get(key("t"))).classes["cat"]) == [2]
