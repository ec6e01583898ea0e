"""How long the stages of a request took: for `Server-Timing`, metrics, logs and traces alike.

Stages have one name everywhere, see `StageName`.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from types import TracebackType
from typing import Literal, NamedTuple, Self

StageName = Literal["decode", "queue", "encode", "prototype", "adapt", "head", "report", "mask"]
"""`report`: where shots are judged; `mask`: where masks are encoded."""


class StageInterval(NamedTuple):
    """A period of a request in one stage.

    start: on the clock of `time.perf_counter`.
    failed: whether an exception ended it.
    """

    name: StageName
    start: float
    seconds: float
    failed: bool = False


class StageTimes:
    """Seconds that one request spent in each named stage, in order of first use.

    Overlapping intervals of a stage, such as the head for two classes in one batch, count once.

    intervals: of all stages, in order of their ends.
    """

    def __init__(self) -> None:
        self.seconds: dict[StageName, float] = {}
        self.intervals: list[StageInterval] = []
        self._spans: dict[StageName, list[tuple[float, float]]] = {}  # by name, disjoint

    def add(self, interval: StageInterval) -> None:
        """Add an interval of a stage."""
        start, end = interval.start, interval.start + interval.seconds
        spans = self._spans.setdefault(interval.name, [])
        for span in [each for each in spans if each[0] <= end and start <= each[1]]:
            spans.remove(span)
            start, end = min(start, span[0]), max(end, span[1])
        spans.append((start, end))
        self.seconds[interval.name] = sum(end - start for start, end in spans)
        self.intervals.append(interval)

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


def current_stages() -> StageTimes | None:
    """The stage times of the current request, which also identify it; None outside of one."""
    return _current.get()


def context_without_request() -> Context:
    """The current context without the request, for a task that outlives it."""
    context = copy_context()
    context.run(_current.set, None)
    return context


def stage(name: StageName) -> "_Stage":
    """A block that is a stage of the current request; outside of a request it costs nothing."""
    return _Stage(name)


def add_stage(name: StageName, seconds: float, *, ended_s_ago: float = 0.0) -> None:
    """Count an interval that was timed elsewhere, such as the wait in a queue."""
    times = _current.get()
    if times is not None:
        times.add(StageInterval(name, time.perf_counter() - ended_s_ago - seconds, seconds))


class _Stage:
    """A class, not a generator, which would cost twice as much, several times a request."""

    __slots__ = ("_name", "_start", "_times")

    def __init__(self, name: StageName) -> None:
        self._name = name

    def __enter__(self) -> Self:
        self._times = _current.get()
        self._start = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._times is not None:
            seconds = time.perf_counter() - self._start
            self._times.add(StageInterval(self._name, self._start, seconds, kind is not None))
