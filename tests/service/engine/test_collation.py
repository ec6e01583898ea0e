"""Collation as tables: queue and time in, positions out."""

import math

import pytest

from service.engine.collation import Collation, Waiting, collate


def queue(*items: tuple[float, float, int]) -> list[Waiting]:
    return [Waiting(*item) for item in items]


@pytest.mark.parametrize(
    ("items", "now", "expected"),
    [
        ([], 0.0, Collation((), (), None)),
        # Young and not full: wait until the oldest has waited enough.
        ([(0.0, 9.0, 1), (0.5, 9.0, 1)], 0.9, Collation((), (), 1.0)),
        ([(0.0, 9.0, 1), (0.5, 9.0, 1)], 1.0, Collation((), (0, 1), None)),
        # Full: at once, in order of arrival, the rest stays.
        ([(0.0, 9.0, 1)] * 4, 0.0, Collation((), (0, 1, 2, 3), None)),
        ([(0.0, 9.0, 1)] * 6, 0.0, Collation((), (0, 1, 2, 3), None)),
        # Between two sizes: the smaller now, the rest makes the next batch.
        ([(0.0, 9.0, 1)] * 3, 1.0, Collation((), (0, 1), None)),
        # The next does not fit: what is there runs without it.
        ([(0.0, 9.0, 3), (0.0, 9.0, 2)], 0.0, Collation((), (0,), None)),
        # Heavier than any batch: alone.
        ([(0.0, 9.0, 7), (0.0, 9.0, 1)], 0.0, Collation((), (0,), None)),
        ([(0.0, 9.0, 7)], 0.0, Collation((), (0,), None)),
        # Too late: never run, and the others do not wait for them.
        ([(0.0, 1.0, 1), (0.5, 9.0, 1)], 1.0, Collation((0,), (), 1.5)),
        ([(0.0, 1.0, 4), (0.0, 9.0, 4)], 2.0, Collation((0,), (1,), None)),
        ([(0.0, 1.0, 1)], 1.0, Collation((0,), (), None)),
    ],
)
def test_collate(items: list[tuple[float, float, int]], now: float, expected: Collation) -> None:
    assert collate(queue(*items), now=now, sizes=(1, 2, 4), max_wait_s=1.0) == expected


def test_no_wait_runs_what_is_there() -> None:
    items = queue((5.0, math.inf, 1))
    assert collate(items, now=5.0, sizes=(1, 2, 4), max_wait_s=0.0).batch == (0,)
