"""The contract of every session store, and the bounds of the one in memory."""

import asyncio

import numpy as np
import pytest

from model.contract import SupportPrototype, SupportSet
from service.errors import (
    ClassNotFoundError,
    LimitExceededError,
    SessionNotFoundError,
)
from service.stores import MemoryStore, Mode, SessionKey, SessionLimits, SessionStore

TTL_S = 100.0


def shot(value: float = 0.0, tokens: int = 4) -> SupportPrototype:
    vector = np.full(8, value, np.float16)
    return SupportPrototype(vector, vector, vector, np.ones((tokens, 8), np.float16))


def key(session_id: str) -> SessionKey:
    return SessionKey("owner", session_id)


def shots(*values: float) -> SupportSet:
    return SupportSet(tuple(shot(value) for value in values))


def some(count: int) -> SupportSet:
    return shots(*[0.0] * count)


SHOT_BYTES = shot().nbytes


class Clock:
    """A clock that stands still until told."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def memory(clock: Clock, *, sessions: int = 3, max_bytes: int = 100 * SHOT_BYTES) -> MemoryStore:
    limits = SessionLimits(ttl_s=TTL_S, max_classes=2, max_shots=30)
    return MemoryStore(limits, max_sessions=sessions, max_bytes=max_bytes, clock=clock)


@pytest.fixture
def store(clock: Clock) -> SessionStore:
    return memory(clock)


async def test_created_session_is_found(store: SessionStore, clock: Clock) -> None:
    created = await store.create(key("s"), "m@1", "cat", shots(1, 2))
    assert created == await store.get(key("s"))
    assert (created.session_id, created.model) == ("s", "m@1")
    assert (created.created, created.expires_at) == (1_000.0, 1_100.0)
    np.testing.assert_array_equal(created.classes["cat"].shots[1].affinity, shot(2).affinity)


@pytest.mark.parametrize(("mode", "values"), [("append", [1, 2]), ("replace", [2])])
async def test_put_by_mode(store: SessionStore, mode: Mode, values: list[float]) -> None:
    await store.create(key("s"), "m", "cat", shots(1))
    session = await store.put(key("s"), "cat", shots(2), mode)
    assert [kept.gate[0] for kept in session.classes["cat"].shots] == values


async def test_a_refit_stays_until_another_comes_or_the_shots_are_replaced(
    store: SessionStore,
) -> None:
    first, second = (np.full(18, value, np.float32) for value in (1, 2))
    await store.create(key("s"), "m", "cat", shots(1)._replace(refit=first))
    session = await store.put(key("s"), "cat", shots(2), "append")
    assert session.classes["cat"].refit is first
    session = await store.put(key("s"), "cat", shots(3)._replace(refit=second), "append")
    assert session.classes["cat"].refit is second
    session = await store.put(key("s"), "cat", shots(4), "replace")
    assert session.classes["cat"].refit is None


async def test_classes_keep_the_order_of_registration(store: SessionStore) -> None:
    await store.create(key("s"), "m", "zebra", some(1))
    await store.put(key("s"), "ant", some(1), "append")
    session = await store.put(key("s"), "zebra", some(1), "replace")
    assert list(session.classes) == ["zebra", "ant"]


async def test_snapshot_never_changes(store: SessionStore) -> None:
    before = await store.create(key("s"), "m", "cat", some(1))
    await store.put(key("s"), "cat", some(1), "append")
    await store.put(key("s"), "dog", some(1), "append")
    assert {name: len(each.shots) for name, each in before.classes.items()} == {"cat": 1}


async def test_concurrent_appends_lose_nothing(store: SessionStore) -> None:
    await store.create(key("s"), "m", "cat", shots(0))
    await asyncio.gather(*(store.put(key("s"), "cat", shots(i), "append") for i in range(1, 30)))
    values = {float(kept.gate[0]) for kept in (await store.get(key("s"))).classes["cat"].shots}
    assert values == set(map(float, range(30)))


async def test_every_use_extends_the_life(store: SessionStore, clock: Clock) -> None:
    await store.create(key("s"), "m", "cat", some(1))
    clock.now += 99
    assert (await store.get(key("s"))).expires_at == clock.now + TTL_S
    clock.now += 99
    await store.put(key("s"), "cat", some(1), "append")
    clock.now += 99
    session = await store.get(key("s"))
    assert session.created == 1_000.0


async def test_expired_session_is_unknown_to_every_call(store: SessionStore, clock: Clock) -> None:
    await store.create(key("s"), "m", "cat", some(1))
    clock.now += TTL_S
    for call in (
        store.get(key("s")),
        store.put(key("s"), "cat", some(1), "append"),
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
    await store.delete(key("s"))
    with pytest.raises(SessionNotFoundError):
        await store.get(key("s"))


async def test_refused_put_changes_nothing(store: SessionStore) -> None:
    await store.create(key("s"), "m", "cat", some(20))
    await store.put(key("s"), "dog", some(1), "append")
    with pytest.raises(LimitExceededError, match="30 shots"):
        await store.put(key("s"), "cat", some(11), "append")
    with pytest.raises(LimitExceededError, match="2 classes"):
        await store.put(key("s"), "cow", some(1), "append")
    with pytest.raises(LimitExceededError):
        await store.create(key("t"), "m", "cat", some(31))
    session = await store.get(key("s"))
    assert {name: len(each.shots) for name, each in session.classes.items()} == {
        "cat": 20,
        "dog": 1,
    }


async def test_least_recently_used_makes_room_for_a_session(clock: Clock) -> None:
    store = memory(clock, sessions=2)
    await store.create(key("a"), "m", "cat", some(1))
    await store.create(key("b"), "m", "cat", some(1))
    await store.get(key("a"))
    await store.create(key("c"), "m", "cat", some(1))
    with pytest.raises(SessionNotFoundError):
        await store.get(key("b"))
    assert (await store.get(key("a"))).session_id == "a"


async def test_least_recently_used_makes_room_for_bytes(clock: Clock) -> None:
    store = memory(clock, max_bytes=10 * SHOT_BYTES)
    await store.create(key("a"), "m", "cat", some(4))
    await store.create(key("b"), "m", "cat", some(4))
    await store.put(key("a"), "cat", some(2), "append")  # 10 of 10: both stay
    assert len((await store.get(key("b"))).classes["cat"].shots) == 4
    await store.put(key("b"), "cat", some(1), "append")
    with pytest.raises(SessionNotFoundError):
        await store.get(key("a"))
    assert len((await store.get(key("b"))).classes["cat"].shots) == 5


async def test_session_larger_than_the_store_is_refused_and_evicts_nobody(clock: Clock) -> None:
    store = memory(clock, max_bytes=10 * SHOT_BYTES)
    await store.create(key("a"), "m", "cat", some(4))
    await store.create(key("b"), "m", "cat", some(4))
    with pytest.raises(LimitExceededError):
        await store.put(key("b"), "cat", some(7), "append")
    assert [len((await store.get(key(name))).classes["cat"].shots) for name in "ab"] == [4, 4]


async def test_deleted_bytes_are_free_again(clock: Clock) -> None:
    store = memory(clock, max_bytes=10 * SHOT_BYTES)
    for _ in range(5):
        await store.create(key("a"), "m", "cat", some(9))
        await store.delete(key("a"))
    await store.create(key("b"), "m", "cat", some(5))
    await store.create(key("c"), "m", "cat", some(5))
    assert len((await store.get(key("b"))).classes["cat"].shots) == 5
