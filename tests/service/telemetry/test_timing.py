"""How long a request was in each stage."""

import asyncio

import pytest

from service.telemetry.timing import (
    StageInterval,
    StageTimes,
    collect_stages,
    context_without_request,
    current_stages,
)


def test_what_overlaps_counts_once_and_what_does_not_adds_up() -> None:
    times = StageTimes()
    for interval in (
        StageInterval("queue", 0.0, 1.0),
        StageInterval("head", 1.0, 2.0),
        StageInterval("head", 2.0, 2.0),  # beside the one before, for half of the time
        StageInterval("head", 1.5, 0.5),  # within it
        StageInterval("head", 7.0, 1.0),
        StageInterval("queue", 5.0, 0.5),
    ):
        times.add(interval)
    assert times.seconds == {"queue": 1.5, "head": 4.0}
    assert len(times.intervals) == 6
    assert times.header() == "queue;dur=1500.0, head;dur=4000.0"


def test_a_stretch_joins_those_that_it_bridges() -> None:
    times = StageTimes()
    for start, seconds in ((0.0, 1.0), (2.0, 1.0), (0.5, 2.0)):
        times.add(StageInterval("encode", start, seconds))
    assert times.seconds["encode"] == pytest.approx(3.0)


async def test_a_task_that_outlives_the_request_is_none_of_its_work() -> None:
    async def request_of_task() -> StageTimes | None:
        return current_stages()

    with collect_stages() as times:
        outliving = asyncio.create_task(request_of_task(), context=context_without_request())
        assert await asyncio.create_task(request_of_task()) is times
        assert await outliving is None
        assert current_stages() is times
