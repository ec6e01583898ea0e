"""Copies of sessions beside a store: which are used, and which are let go."""

from service.stores import SessionContent
from service.stores.local_copies import LocalCopies
from tests.service.clocks import ManualClock
from tests.service.stores.supports import SHOT_BYTES, key, some

TTL_S = 100.0


def content(count: int) -> SessionContent:
    """A session of that many shots."""
    return SessionContent("m", 1.0, {"cat": some(count)})


def test_a_copy_of_another_version_is_not_used() -> None:
    copies = LocalCopies(10 * SHOT_BYTES, TTL_S)
    copies.keep(key("a"), b"1", content(1))
    assert copies.find(key("a"), b"2") is None
    copies.keep(key("a"), b"2", content(2))
    assert copies.find(key("a"), b"1") is None
    assert copies.nbytes == 2 * SHOT_BYTES


def test_copies_that_stay_unused_are_let_go() -> None:
    clock = ManualClock(5.0)
    copies = LocalCopies(10 * SHOT_BYTES, TTL_S, clock=clock)
    for name in "abc":
        copies.keep(key(name), b"1", content(1))
    clock.now += 0.9 * TTL_S
    assert copies.find(key("b"), b"1") is not None
    clock.now += 0.1 * TTL_S
    assert len(copies) == 3  # none has come that could need the room
    copies.keep(key("d"), b"1", content(1))
    assert [name for name in "abcd" if copies.find(key(name), b"1")] == ["b", "d"]


def test_a_session_that_does_not_fit_takes_the_place_of_none() -> None:
    copies = LocalCopies(4 * SHOT_BYTES, TTL_S)
    for name in "ab":
        copies.keep(key(name), b"1", content(2))
    copies.keep(key("c"), b"1", content(5))
    assert [name for name in "abc" if copies.find(key(name), b"1")] == ["a", "b"]
