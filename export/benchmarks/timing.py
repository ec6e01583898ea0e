"""Timing of what the benchmarks compare."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def timed(run: Callable[[], T]) -> tuple[T, float]:
    """What `run` returns, and the seconds it took."""
    started = time.perf_counter()
    value = run()
    return value, time.perf_counter() - started


def time_alternately(
    first: Callable[[], object], second: Callable[[], object], repeats: int, *, warm_ups: int = 1
) -> tuple[list[float], list[float]]:
    """Seconds of each run of both, by turns, so that a slow spell of the machine falls on both.

    Args:
        first, second: what to time.
        repeats: of each.
        warm_ups: runs of each before, which do not count.
    """
    seconds: tuple[list[float], list[float]] = ([], [])
    for number in range(warm_ups + repeats):
        for run, found in zip((first, second), seconds, strict=True):
            elapsed = timed(run)[1]
            if number >= warm_ups:
                found.append(elapsed)
    return seconds
