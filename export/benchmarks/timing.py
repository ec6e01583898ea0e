"""Timing two sides by turns, so that a slow spell of the machine falls on both."""

import time
from collections.abc import Callable


def take_turns(
    first: Callable[[], object], second: Callable[[], object], repeats: int
) -> tuple[list[float], list[float]]:
    """Seconds of each run of both sides, after a first run of each that is not counted."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for number in range(repeats + 1):
        for run, found in zip((first, second), seconds, strict=True):
            started = time.perf_counter()
            run()
            if number:
                found.append(time.perf_counter() - started)
    return seconds
