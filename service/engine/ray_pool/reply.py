"""What a replica of the pool sends back."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from service.errors import ServiceError
from service.telemetry import StageName, StageTimes, add_stage


class StageTime(NamedTuple):
    """A stretch of a stage, relative to now: the clocks of two machines differ."""

    name: StageName
    seconds: float
    ended_s_ago: float


@dataclass(frozen=True)
class Reply:
    """The answer of a replica's engine, and what is known of the replica with it.

    result: what the engine returned, or the `ServiceError` that it raised. As a value an error
        keeps its type, code and `Retry-After`, which Ray's own wrapping of exceptions would lose.
    pending_s: seconds of work that the replica had left when it answered.
    stages: that the request went through in the replica.
    """

    replica: str
    result: Any
    pending_s: float
    stages: Sequence[StageTime]

    def unwrap(self) -> Any:
        """The result; the stages are counted as the current request's.

        Raises:
            ServiceError: it is one.
        """
        for each in self.stages:
            add_stage(each.name, each.seconds, ended_s_ago=each.ended_s_ago)
        if isinstance(self.result, ServiceError):
            raise self.result
        return self.result


def stage_times(times: StageTimes) -> list[StageTime]:
    """What was collected up to now."""
    now = time.perf_counter()
    return [
        StageTime(each.name, each.seconds, now - each.start - each.seconds)
        for each in times.intervals
    ]
