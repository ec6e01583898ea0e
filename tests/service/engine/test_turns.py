"""Requests of many items take turns with others, in the queue and in what is told of the wait."""

from collections.abc import Sequence

import pytest

from service.engine import EngineResources
from service.engine.lane import Lane
from service.engine.turns import Turns
from service.engine.worker import Worker
from tests.service.engines import usual_options

LATER = 1e9


def doubled(numbers: Sequence[int]) -> list[int]:
    return [2 * number for number in numbers]


@pytest.fixture
def lane() -> Lane[int, int]:
    return Lane("weighed", doubled, sizes=(1,))


def take(lane: Lane[int, int], now: float) -> int:
    (item,) = lane.take(now)
    return item.payload


def test_a_short_request_waits_for_one_item_of_a_long_one(lane: Lane[int, int]) -> None:
    lane.add([10, 11, 12, 13], 0.0, LATER)
    assert take(lane, 0.0) == 10
    lane.add([1], 0.5, LATER)
    assert [take(lane, now) for now in (5.0, 10.0)] == [11, 1]
    lane.add([2], 10.5, LATER)
    assert [take(lane, now) for now in (12.0, 13.0, 14.0)] == [12, 2, 13]


def test_no_request_is_overtaken_for_ever(lane: Lane[int, int]) -> None:
    lane.add([10, 11], 0.0, LATER)
    taken = []
    for second in range(1, 5):
        lane.add([second], second - 0.5, LATER)
        lane.add([second], second - 0.5, LATER)
        taken.append(take(lane, second))
    assert taken == [10, 1, 1, 11]


def test_long_requests_alternate(lane: Lane[int, int]) -> None:
    lane.add([10, 11, 12], 0.0, LATER)
    lane.add([20, 21, 22], 0.1, LATER)
    assert [take(lane, now) for now in range(1, 7)] == [10, 20, 11, 21, 12, 22]


def test_alike_requests_run_in_the_order_they_came(lane: Lane[int, int]) -> None:
    for number in (1, 2, 3):
        lane.add([number], number / 100, LATER)
    assert [take(lane, 1.0) for _ in range(3)] == [1, 2, 3]


def test_the_items_of_a_lonely_request_share_a_batch() -> None:
    lane: Lane[int, int] = Lane("batched", doubled, sizes=(1, 2, 4))
    lane.add([1, 2, 3, 4, 5], 0.0, LATER)
    assert [item.payload for item in lane.take(1.0)] == [1, 2, 3, 4]


def order_of(turns: Turns, batches: int, seconds: float) -> list[str]:
    """Names of the lanes that ran, all of which always have something to run."""
    ran = []
    for _ in range(batches):
        first = turns.order()[0]
        turns.took(first)
        turns.ran(first, seconds)
        ran.append(first.name)
    return ran


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.01, ["head", "head", "head", "query", "head", "head", "head", "support"]),
        (0.06, ["head", "head", "query", "head", "head", "support", "head", "head"]),
        (1.0, ["head", "query", "head", "support", "head", "query", "head", "support"]),
    ],
)
def test_a_higher_rank_has_three_batches_or_a_tenth_of_a_second_ahead(
    seconds: float, expected: list[str]
) -> None:
    lanes: list[Lane[int, int]] = [
        Lane("head", doubled, (1,), rank=1),
        Lane("query", doubled, (1,)),
        Lane("support", doubled, (1,)),
    ]
    assert order_of(Turns(lanes), 8, seconds) == expected


def test_lanes_of_one_rank_take_turns() -> None:
    lanes: list[Lane[int, int]] = [Lane(name, doubled, (1,)) for name in "abc"]
    assert order_of(Turns(lanes), 7, 1.0) == list("abcabca")


def test_long_batches_of_a_higher_rank_let_others_in_after_one() -> None:
    clock = [0.0]

    def slow(numbers: Sequence[int]) -> list[int]:
        clock[0] += 1.0
        return list(numbers)

    ran: list[str] = []
    heads, encodings = Lane("head", slow, (1,), rank=1), Lane("encode", slow, (1,))
    worker = Worker(
        "cpu",
        [heads, encodings],
        clock=lambda: clock[0],
        on_batch=lambda lane, *_: ran.append(lane.name),
    )
    heads.add([1, 2, 3, 4], 0.0, LATER)
    (last,) = encodings.add([5], 0.0, LATER)
    worker.start()
    assert last.future.result(20) == 5
    worker.stop()
    assert ran[:2] == ["head", "encode"]


def test_the_wait_counts_an_item_of_each_request() -> None:
    resources = EngineResources(usual_options())
    with resources.reserve(30.0, items=10), resources.reserve(2.0):
        assert resources.pending_s == 5.0
