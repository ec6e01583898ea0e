"""The contract of every session store, each test over the one in memory and over a real Redis."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from model.contract import SupportSet
from service.errors import (
    ClassNotFoundError,
    IdempotencyKeyReusedError,
    LimitExceededError,
    ModelMismatchError,
    SessionNotFoundError,
)
from service.schemas import RegisterMode
from service.stores import (
    IdempotencyToken,
    MemoryStore,
    SessionContent,
    SessionLimits,
    SessionStore,
)
from service.stores.redis import RedisStore
from tests.service.clocks import ManualClock
from tests.service.redis_server import RedisServer
from tests.service.stores.supports import SHOT_BYTES, key, shot, shots, some, values

# Redis has no fake clock: long enough for a slow machine, short enough to wait for.
REAL_TTL_S = 2.0
LIMITS = SessionLimits(
    ttl_s=100.0,
    max_classes=2,
    max_shots=30,
    max_owner_sessions=3,
    max_owner_bytes=60 * SHOT_BYTES,
)
MAX_BYTES = 100 * SHOT_BYTES


class Aging(NamedTuple):
    """A store, and what lets a share of its time to live pass."""

    store: SessionStore
    pass_ttl: Callable[[float], Awaitable[None]]


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
async def make(
    request: pytest.FixtureRequest, prefix: str
) -> AsyncIterator[Callable[[SessionLimits], SessionStore]]:
    """Makes stores of the kind under test."""
    async with AsyncExitStack() as stack:

        def build(limits: SessionLimits) -> SessionStore:
            if request.param == "memory":
                return MemoryStore(limits, max_sessions=100, max_bytes=MAX_BYTES)
            server: RedisServer = request.getfixturevalue("redis_server")
            store = RedisStore(server.url, limits, max_bytes=MAX_BYTES, prefix=prefix, timeout_s=20)
            stack.push_async_callback(store.close)
            return store

        yield build


@pytest.fixture
def store(make: Callable[[SessionLimits], SessionStore]) -> SessionStore:
    return make(LIMITS)


@pytest.fixture
def aging(request: pytest.FixtureRequest, make: Callable[[SessionLimits], SessionStore]) -> Aging:
    store = make(LIMITS._replace(ttl_s=REAL_TTL_S))
    if isinstance(store, RedisStore):

        async def wait(share: float) -> None:
            await asyncio.sleep(share * REAL_TTL_S)

        return Aging(store, wait)
    clock = ManualClock(1_000.0)

    async def turn(share: float) -> None:
        clock.now += share * LIMITS.ttl_s

    clocked = MemoryStore(
        LIMITS, max_sessions=100, max_bytes=MAX_BYTES, clock=clock, wall_clock=clock
    )
    return Aging(clocked, turn)


async def test_created_session_is_found(store: SessionStore) -> None:
    created = await store.create(key("s"), "m@1", "cat", shots(1, 2))
    found = await store.get(key("s"))
    for session in (created, found):
        assert (session.session_id, session.model) == ("s", "m@1")
        assert session.created == created.created
        assert session.expires_at >= session.created + LIMITS.ttl_s
        assert values(session.classes["cat"]) == [1, 2]
    np.testing.assert_array_equal(found.classes["cat"].shots[1].tokens, shot(2).tokens)


async def test_owner_is_part_of_the_key(store: SessionStore) -> None:
    await store.create(key("s", "one"), "m", "cat", some(1))
    with pytest.raises(SessionNotFoundError):
        await store.get(key("s", "another"))
    with pytest.raises(SessionNotFoundError):
        await store.delete(key("s", ""))


@pytest.mark.parametrize(("mode", "kept"), [("append", [1, 2]), ("replace", [2])])
async def test_put_by_mode(store: SessionStore, mode: RegisterMode, kept: list[float]) -> None:
    await store.create(key("s"), "m", "cat", shots(1))
    session = await store.put(key("s"), "m", "cat", shots(2), mode)
    assert values(session.classes["cat"]) == kept
    assert values((await store.get(key("s"))).classes["cat"]) == kept


async def test_shots_of_another_model_are_refused(store: SessionStore) -> None:
    await store.create(key("s"), "m@1", "cat", shots(1))
    with pytest.raises(ModelMismatchError):
        await store.put(key("s"), "m@2", "cat", shots(2), "append")
    assert values((await store.get(key("s"))).classes["cat"]) == [1]


async def test_a_refit_stays_until_another_comes_or_the_shots_are_replaced(
    store: SessionStore,
) -> None:
    first, second = (np.full(18, value, np.float32) for value in (1, 2))
    await store.create(key("s"), "m", "cat", replace(shots(1), refit=first))
    session = await store.put(key("s"), "m", "cat", shots(2), "append")
    np.testing.assert_array_equal(session.classes["cat"].refit, first)
    session = await store.put(key("s"), "m", "cat", replace(shots(3), refit=second), "append")
    np.testing.assert_array_equal(session.classes["cat"].refit, second)
    session = await store.put(key("s"), "m", "cat", shots(4), "replace")
    assert session.classes["cat"].refit is None


async def test_classes_keep_the_order_of_registration(store: SessionStore) -> None:
    await store.create(key("s"), "m", "zebra", some(1))
    await store.put(key("s"), "m", "ant", some(1), "append")
    session = await store.put(key("s"), "m", "zebra", some(1), "replace")
    assert list(session.classes) == ["zebra", "ant"]


async def test_class_of_any_name(store: SessionStore) -> None:
    await store.create(key("s"), "m", 'a/"b"\\ \u732b', some(1))
    await store.put(key("s"), "m", "100 %", some(1), "append")
    assert list((await store.get(key("s"))).classes) == ['a/"b"\\ \u732b', "100 %"]
    await store.delete_class(key("s"), 'a/"b"\\ \u732b')
    assert list((await store.get(key("s"))).classes) == ["100 %"]


async def test_snapshot_never_changes(store: SessionStore) -> None:
    before = await store.create(key("s"), "m", "cat", some(1))
    await store.put(key("s"), "m", "cat", some(1), "append")
    await store.put(key("s"), "m", "dog", some(1), "append")
    assert {name: len(each.shots) for name, each in before.classes.items()} == {"cat": 1}


async def test_concurrent_appends_lose_nothing(store: SessionStore) -> None:
    await store.create(key("s"), "m", "cat", shots(0))
    sessions = await asyncio.gather(
        *(store.put(key("s"), "m", "cat", shots(i), "append") for i in range(1, 30))
    )
    for number, session in enumerate(sessions, start=1):
        assert number in values(session.classes["cat"])
    kept = values((await store.get(key("s"))).classes["cat"])
    assert sorted(kept) == list(range(30))


async def test_every_use_extends_the_life(aging: Aging) -> None:
    store = aging.store
    made = await store.create(key("s"), "m", "cat", some(1))
    await aging.pass_ttl(0.6)
    assert (await store.get(key("s"))).expires_at > made.expires_at
    await aging.pass_ttl(0.6)
    await store.put(key("s"), "m", "cat", some(1), "append")
    await aging.pass_ttl(0.6)
    assert (await store.get(key("s"))).created == made.created


async def test_expired_session_is_unknown_to_every_call(aging: Aging) -> None:
    store = aging.store
    await store.create(key("s"), "m", "cat", some(1))
    await aging.pass_ttl(1.01)
    for call in (
        store.get(key("s")),
        store.put(key("s"), "m", "cat", some(1), "append"),
        store.delete(key("s")),
        store.delete_class(key("s"), "cat"),
    ):
        with pytest.raises(SessionNotFoundError):
            await call


async def test_deletion(store: SessionStore) -> None:
    await store.create(key("s"), "m", "cat", some(1))
    await store.delete_class(key("s"), "cat")
    assert (await store.get(key("s"))).classes == {}
    with pytest.raises(ClassNotFoundError):
        await store.delete_class(key("s"), "cat")
    session = await store.put(key("s"), "m", "dog", some(1), "append")
    assert list(session.classes) == ["dog"]
    await store.delete(key("s"))
    with pytest.raises(SessionNotFoundError):
        await store.get(key("s"))


async def test_restored_session_takes_the_place_of_another(store: SessionStore) -> None:
    content = SessionContent("m@2", 5.0, {"ant": shots(3), "bee": shots(4)})
    session, is_new = await store.restore(key("s"), content)
    assert (is_new, session.model, session.created) == (True, "m@2", 5.0)
    await store.put(key("s"), "m@2", "ant", shots(5), "append")
    again = SessionContent("m@3", 6.0, {"cat": shots(7)})
    session, is_new = await store.restore(key("s"), again)
    assert not is_new
    for found in (session, await store.get(key("s"))):
        assert (found.model, found.created, list(found.classes)) == ("m@3", 6.0, ["cat"])
        assert values(found.classes["cat"]) == [7]


async def test_refused_put_changes_nothing(store: SessionStore) -> None:
    await store.create(key("s"), "m", "cat", some(20))
    await store.put(key("s"), "m", "dog", some(1), "append")
    with pytest.raises(LimitExceededError, match="30 shots"):
        await store.put(key("s"), "m", "cat", some(11), "append")
    with pytest.raises(LimitExceededError, match="2 classes"):
        await store.put(key("s"), "m", "cow", some(1), "append")
    with pytest.raises(LimitExceededError):
        await store.create(key("t"), "m", "cat", some(31))
    with pytest.raises(LimitExceededError):
        await store.restore(key("s"), SessionContent("m", 1.0, {"cat": some(31)}))
    session = await store.get(key("s"))
    assert {name: len(each.shots) for name, each in session.classes.items()} == {
        "cat": 20,
        "dog": 1,
    }


async def test_shots_that_are_seen_in_close_up_from_now_on_count_as_often_as_they_are_kept(
    make: Callable[[SessionLimits], SessionStore],
) -> None:
    store = make(LIMITS._replace(max_owner_bytes=40 * SHOT_BYTES))
    whole = SupportSet((shot(tokens=40), *some(20).shots))
    await store.create(key("s"), "m", "cat", whole)
    with pytest.raises(LimitExceededError):  # 26 + 2 as they come, 48 as they are kept
        await store.put(key("s"), "m", "cat", replace(some(1), close_up=some(1)), "append")
    await store.put(key("s"), "m", "cat", some(1), "append")
    session = await store.put(key("s"), "m", "cat", shots(1), "append")
    assert session.content.nbytes == whole.nbytes + 2 * SHOT_BYTES


async def test_session_larger_than_the_store_is_refused(
    make: Callable[[SessionLimits], SessionStore],
) -> None:
    store = make(LIMITS._replace(max_shots=1000, max_owner_bytes=1000 * SHOT_BYTES))
    await store.create(key("s"), "m", "cat", some(60))
    with pytest.raises(LimitExceededError, match="larger than"):
        await store.put(key("s"), "m", "dog", some(41), "append")
    assert list((await store.get(key("s"))).classes) == ["cat"]


async def test_sessions_of_an_owner_are_bounded(store: SessionStore) -> None:
    for name in "abc":
        await store.create(key(name), "m", "cat", some(1))
    with pytest.raises(LimitExceededError, match=r"3 sessions.*delete one"):
        await store.create(key("d"), "m", "cat", some(1))
    await store.create(key("d", "another"), "m", "cat", some(1))
    await store.put(key("a"), "m", "dog", some(1), "append")
    await store.restore(key("b"), SessionContent("m", 1.0, {}))
    await store.delete(key("a"))
    await store.create(key("d"), "m", "cat", some(1))


async def test_bytes_of_an_owner_are_bounded(store: SessionStore) -> None:
    await store.create(key("a"), "m", "cat", some(30))
    await store.create(key("b"), "m", "cat", some(29))
    with pytest.raises(LimitExceededError, match=f"{60 * SHOT_BYTES} bytes"):
        await store.put(key("a"), "m", "dog", some(2), "append")
    await store.create(key("c", "another"), "m", "cat", some(2))
    await store.put(key("a"), "m", "dog", some(1), "append")
    await store.put(key("a"), "m", "dog", some(1), "replace")
    await store.delete_class(key("a"), "cat")
    await store.create(key("c"), "m", "cat", some(30))


async def test_nobody_in_particular_is_not_bounded(store: SessionStore) -> None:
    for name in "abcd":
        await store.create(key(name, ""), "m", "cat", some(20))
    for name in "abcd":  # three times what an owner may have
        assert len((await store.get(key(name, ""))).classes["cat"].shots) == 20


async def test_expired_sessions_free_their_share(aging: Aging) -> None:
    store = aging.store
    await store.create(key("kept"), "m", "cat", some(1))
    for name in "bc":
        await store.create(key(name), "m", "cat", some(29))
    await aging.pass_ttl(0.6)
    await store.get(key("kept"))
    await aging.pass_ttl(0.6)
    for name in "de":
        await store.create(key(name), "m", "cat", some(29))
    with pytest.raises(LimitExceededError):
        await store.create(key("f"), "m", "cat", some(1))


async def test_a_session_is_made_once(store: SessionStore) -> None:
    once = IdempotencyToken("k", "request")
    assert await store.find_done("owner", once) is None
    made = await store.create(key("s"), "m", "cat", shots(1), once)
    assert await store.find_done("owner", once) == key("s")
    again = await store.create(key("t"), "m", "cat", shots(1), once)
    assert (again.key, again.created) == (key("s"), made.created)
    assert values(again.classes["cat"]) == [1]
    with pytest.raises(SessionNotFoundError):
        await store.get(key("t"))
    await store.delete(key("s"))
    with pytest.raises(SessionNotFoundError):
        await store.create(key("t"), "m", "cat", shots(1), once)


async def test_shots_are_added_once_even_at_the_limit(store: SessionStore) -> None:
    await store.create(key("s"), "m", "cat", some(29))
    once = IdempotencyToken("k", "request")
    sessions = await asyncio.gather(
        *(store.put(key("s"), "m", "cat", shots(7), "append", once) for _ in range(5))
    )
    for session in (*sessions, await store.get(key("s"))):
        assert values(session.classes["cat"]).count(7) == 1
        assert len(session.classes["cat"].shots) == 30


async def test_a_refused_change_may_come_again(store: SessionStore) -> None:
    once = IdempotencyToken("k", "request")
    with pytest.raises(SessionNotFoundError):
        await store.put(key("s"), "m", "cat", shots(1), "append", once)
    with pytest.raises(LimitExceededError):
        await store.create(key("s"), "m", "cat", some(31), once)
    assert await store.find_done("owner", once) is None
    session = await store.create(key("s"), "m", "cat", shots(1), once)
    assert values(session.classes["cat"]) == [1]


async def test_a_key_belongs_to_one_request_of_one_owner(store: SessionStore) -> None:
    await store.create(key("s"), "m", "cat", shots(1), IdempotencyToken("k", "request"))
    other = IdempotencyToken("k", "another request")
    for call in (
        store.find_done("owner", other),
        store.create(key("t"), "m", "cat", shots(2), other),
        store.put(key("s"), "m", "cat", shots(2), "append", other),
    ):
        with pytest.raises(IdempotencyKeyReusedError):
            await call
    assert await store.find_done("another", other) is None
    session = await store.create(key("t", "another"), "m", "cat", shots(2), other)
    assert session.session_id == "t"


async def test_what_was_done_is_forgotten_with_time(aging: Aging) -> None:
    once = IdempotencyToken("k", "request")
    await aging.store.create(key("s"), "m", "cat", shots(1), once)
    await aging.pass_ttl(1.01)
    assert await aging.store.find_done("owner", once) is None
    assert (await aging.store.create(key("t"), "m", "cat", shots(1), once)).session_id == "t"


async def test_store_answers(store: SessionStore) -> None:
    await store.ping()
