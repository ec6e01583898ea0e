"""The store in memory: who was longest unused makes room, and sessions live by no wall clock."""

import pytest

from service.errors import LimitExceededError, SessionNotFoundError
from service.stores import IdempotencyToken, MemoryStore
from tests.service.clocks import ManualClock
from tests.service.session_limits import LIMITS
from tests.service.stores.supports import SHOT_BYTES, key, some


def memory(*, sessions: int = 3, max_bytes: int = 100 * SHOT_BYTES) -> MemoryStore:
    return MemoryStore(LIMITS, max_sessions=sessions, max_bytes=max_bytes)


async def test_least_recently_used_makes_room_for_a_session() -> None:
    store = memory(sessions=2)
    await store.create(key("a"), "m", "cat", some(1))
    await store.create(key("b"), "m", "cat", some(1))
    await store.get(key("a"))
    await store.create(key("c"), "m", "cat", some(1))
    with pytest.raises(SessionNotFoundError):
        await store.get(key("b"))
    assert (await store.get(key("a"))).session_id == "a"


async def test_least_recently_used_makes_room_for_bytes() -> None:
    store = memory(max_bytes=10 * SHOT_BYTES)
    await store.create(key("a"), "m", "cat", some(4))
    await store.create(key("b"), "m", "cat", some(4))
    await store.put(key("a"), "m", "cat", some(2), "append")  # 10 of 10: both stay
    assert len((await store.get(key("b"))).classes["cat"].shots) == 4
    await store.put(key("b"), "m", "cat", some(1), "append")
    with pytest.raises(SessionNotFoundError):
        await store.get(key("a"))
    assert len((await store.get(key("b"))).classes["cat"].shots) == 5


async def test_session_larger_than_the_store_evicts_nobody() -> None:
    store = memory(max_bytes=10 * SHOT_BYTES)
    await store.create(key("a"), "m", "cat", some(4))
    await store.create(key("b"), "m", "cat", some(4))
    with pytest.raises(LimitExceededError):
        await store.put(key("b"), "m", "cat", some(7), "append")
    assert [len((await store.get(key(name))).classes["cat"].shots) for name in "ab"] == [4, 4]


async def test_refused_owner_evicts_nobody() -> None:
    limits = LIMITS._replace(max_owner_sessions=1)
    store = MemoryStore(limits, max_sessions=2, max_bytes=10**6)
    await store.create(key("a", "one"), "m", "cat", some(1))
    await store.create(key("b", "two"), "m", "cat", some(1))
    with pytest.raises(LimitExceededError):
        await store.create(key("c", "two"), "m", "cat", some(1))
    await store.get(key("a", "one"))


async def test_evicted_session_frees_the_share_of_its_owner() -> None:
    limits = LIMITS._replace(max_owner_sessions=1)
    store = MemoryStore(limits, max_sessions=1, max_bytes=10**6)
    await store.create(key("a", "one"), "m", "cat", some(1))
    await store.create(key("b", "two"), "m", "cat", some(1))
    await store.create(key("c", "one"), "m", "cat", some(1))


async def test_deleted_bytes_are_free_again() -> None:
    store = memory(max_bytes=10 * SHOT_BYTES)
    for _ in range(5):
        await store.create(key("a"), "m", "cat", some(9))
        await store.delete(key("a"))
    await store.create(key("b"), "m", "cat", some(5))
    await store.create(key("c"), "m", "cat", some(5))
    assert len((await store.get(key("b"))).classes["cat"].shots) == 5


async def test_what_was_done_is_remembered_within_bounds() -> None:
    store = memory(sessions=2)
    for number in range(3):
        await store.create(
            key(f"s{number}"), "m", "cat", some(1), IdempotencyToken(f"k{number}", "request")
        )
    assert await store.find_done("owner", IdempotencyToken("k0", "request")) is None
    assert await store.find_done("owner", IdempotencyToken("k2", "request")) == key("s2")


async def test_what_one_owner_does_makes_nothing_forgotten_that_another_did() -> None:
    store = memory(sessions=4)
    once = IdempotencyToken("k", "request")
    await store.create(key("s", "one"), "m", "cat", some(1), once)
    await store.create(key("t", "two"), "m", "cat", some(1))
    for number in range(9):
        each = IdempotencyToken(f"k{number}", "request")
        await store.put(key("t", "two"), "m", "cat", some(1), "replace", each)
    assert await store.find_done("one", once) == key("s", "one")
    done = [
        await store.find_done("two", IdempotencyToken(f"k{number}", "request")) is not None
        for number in range(9)
    ]
    assert done == [False] * 6 + [True] * 3


async def test_what_was_forgotten_with_time_counts_against_no_owner() -> None:
    clock = ManualClock(50.0)
    store = MemoryStore(LIMITS, max_sessions=2, max_bytes=10**6, clock=clock)
    before, once, after = (IdempotencyToken(name, "request") for name in ("a", "b", "c"))
    for each in (before, after):
        await store.create(key("s", "one"), "m", "cat", some(1), each)
    clock.now += LIMITS.ttl_s
    for owner in ("one", "two"):
        await store.create(key("t", owner), "m", "cat", some(1), once)
    await store.create(key("t", "two"), "m", "cat", some(1), after)
    assert await store.find_done("one", once) == key("t", "one")
    assert await store.find_done("two", once) is None


@pytest.mark.parametrize("step_s", [-86_400.0, 86_400.0])
async def test_setting_the_time_ends_nothing_and_keeps_nothing_alive(step_s: float) -> None:
    clock, wall_clock = ManualClock(50.0), ManualClock(1e9)
    limits = LIMITS._replace(ttl_s=100.0)
    store = MemoryStore(limits, max_sessions=9, max_bytes=10**6, clock=clock, wall_clock=wall_clock)
    once = IdempotencyToken("k", "request")
    made = await store.create(key("before"), "m", "cat", some(1), once)
    assert (made.created, made.expires_at) == (1e9, 1e9 + 100)
    wall_clock.now += step_s
    clock.now += 99
    assert (await store.get(key("before"))).expires_at == 1e9 + step_s + 100
    assert await store.find_done("owner", once) == key("before")
    await store.create(key("after"), "m", "cat", some(1))
    clock.now += 100
    for name in ("after", "before"):
        with pytest.raises(SessionNotFoundError):
            await store.get(key(name))
    assert await store.find_done("owner", once) is None
