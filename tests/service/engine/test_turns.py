"""Requests of many items take turns with others, in the queue and in what is told of the wait."""

from collections.abc import Sequence

import pytest

from service.engine import EngineOptions, EngineResources
from service.engine.lane import Lane
from service.telemetry import collect_stages

LATER = 1e9


def doubled(numbers: Sequence[int]) -> list[int]:
    return [2 * number for number in numbers]


@pytest.fixture
def lane() -> Lane[int, int]:
    """A lane in which the last batch took a second for each unit of weight."""
    lane = Lane("weighed", doubled, sizes=(1,), weigh=lambda number: number)
    lane.learn(lane.make_items([2, 2], 0.0, LATER), 4.0)
    return lane


def ask(lane: Lane[int, int], numbers: Sequence[int], now: float) -> None:
    lane.add(lane.make_items(numbers, now, LATER))


def order(lane: Lane[int, int]) -> list[int]:
    """In which order what is queued runs."""
    taken = []
    while items := lane.take(100.0):
        taken += [item.payload for item in items]
    return taken


def test_a_short_request_waits_for_one_item_of_a_long_one(lane: Lane[int, int]) -> None:
    ask(lane, [10, 11, 12, 13], now=0.0)
    ask(lane, [1], now=0.5)
    assert order(lane) == [10, 1, 11, 12, 13]


def test_no_item_is_overtaken_for_ever(lane: Lane[int, int]) -> None:
    ask(lane, [10, 11, 12], now=0.0)  # whose turns are at 0, 10 and 21 s
    for second in range(5, 30, 5):
        ask(lane, [1], now=second)
    assert order(lane) == [10, 1, 11, 1, 1, 1, 12, 1]


def test_alike_requests_run_in_the_order_they_came(lane: Lane[int, int]) -> None:
    for number in (1, 2, 3):
        ask(lane, [number], now=number / 100)
    assert order(lane) == [1, 2, 3]


def test_nothing_is_known_of_turns_before_the_first_batch() -> None:
    lane = Lane("new", doubled, sizes=(1,))
    ask(lane, [10, 11], now=0.0)
    ask(lane, [1], now=0.5)
    assert order(lane) == [10, 11, 1]


def test_the_wait_counts_what_would_be_done_before() -> None:
    now = 0.0
    resources = EngineResources(EngineOptions(), clock=lambda: now)
    with collect_stages(), resources.reserve(30.0, items=10) as work:
        assert resources.pending_s == 3.0  # its first item
        now = 6.0
        assert resources.pending_s == 9.0  # three have had their turn, and none is done
        work.finish_one()
        work.finish_one()
        assert resources.pending_s == 3.0
        now = 1000.0
        assert resources.pending_s == 24.0
        for _ in range(8):
            work.finish_one()
        assert resources.pending_s == 0.0
