"""How long the stages of a request took, as the `Server-Timing` header says it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class StageTimes:
    """Seconds spent in each named stage of one request, in order of first use."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def add(self, name: str, seconds: float) -> None:
        """Count another stretch of a stage."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    def header(self) -> str:
        """`Server-Timing` value; durations in milliseconds. Empty when nothing was timed."""
        return ", ".join(f"{name};dur={s * 1000:.1f}" for name, s in self.seconds.items())


_current: ContextVar[StageTimes | None] = ContextVar("stage_times", default=None)


@contextmanager
def collect_stages() -> Iterator[StageTimes]:
    """Gather the stages entered within the block, in this task and those it starts."""
    times = StageTimes()
    token = _current.set(times)
    try:
        yield times
    finally:
        _current.reset(token)


def count_stage(name: str, seconds: float) -> None:
    """Count a stretch of a stage that was timed elsewhere; outside of a request, nothing."""
    if (times := _current.get()) is not None:
        times.add(name, seconds)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Time a stage of the current request; outside of a request it costs nothing."""
    times = _current.get()
    start = time.perf_counter()
    try:
        yield
    finally:
        if times is not None:
            times.add(name, time.perf_counter() - start)
