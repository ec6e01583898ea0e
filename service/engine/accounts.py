"""What work on a device takes, and who is told of it."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from model.runtime import Device
from service.engine.device_memory import device_memory
from service.engine.lane import Job, Lane, Payload, Result
from service.telemetry import EngineMetrics, ModelMetrics, add_stage

_NEWEST_SHARE = 0.1  # of the latest, in the running mean of what images and pairs cost


class Accounts:
    """Keeps a running mean of what a unit of each kind of work costs, and tells the metrics.

    Args:
        device: that works.
        clock: seconds, monotonic; that of the jobs.
        metrics: told of the device.
        own_metrics: told of batches and queues.
    """

    def __init__(
        self,
        device: Device,
        clock: Callable[[], float],
        metrics: EngineMetrics,
        own_metrics: ModelMetrics,
    ) -> None:
        self._device, self._clock = device, clock
        self._metrics, self._own_metrics = metrics, own_metrics
        self._cost_s: dict[str, float] = {}

    def cost_s(self, images: int, classes: int) -> float:
        """Seconds of the device that a request would take, by what others took lately."""
        encode_s, head_s = (self._cost_s.get(name, 0.0) for name in ("encode", "head"))
        return images * (encode_s + classes * head_s)

    def request_done(
        self, name: str, lane: Lane[Payload, Result], jobs: Sequence[Job[Payload, Result]]
    ) -> None:
        """Jobs that a request had done in a lane, under the name of their stage."""
        if jobs:
            self._count_times(name, jobs)
            self._learn_cost(name, lane, jobs)

    def _count_times(self, name: str, jobs: Sequence[Job[Payload, Result]]) -> None:
        """How long a request waited in the queue, and its work took from its first batch on."""
        taken_at = min(job.taken_at for job in jobs)
        done_at = max(job.done_at for job in jobs)
        waited_s, now = taken_at - jobs[0].waiting.enqueued_at, self._clock()
        add_stage("queue", waited_s, ended_s_ago=now - taken_at)
        add_stage(name, done_at - taken_at, ended_s_ago=now - done_at)

    def _learn_cost(
        self, name: str, lane: Lane[Payload, Result], jobs: Sequence[Job[Payload, Result]]
    ) -> None:
        """A running mean of what an image costs the encoder, and a pair the head."""
        unit_s = sum(job.cost_s for job in jobs) / sum(lane.weigh(job.payload) for job in jobs)
        known_s = self._cost_s.get(name, unit_s)
        self._cost_s[name] = known_s + _NEWEST_SHARE * (unit_s - known_s)

    def batch_done(
        self, lane: Lane[Payload, Result], jobs: Sequence[Job[Payload, Result]], seconds: float
    ) -> None:
        """Jobs that one run of a graph did, and how long it took."""
        self._own_metrics.batch(lane.name, str(self._device), len(jobs), seconds)
        for job in jobs:
            waited_s = job.taken_at - job.waiting.enqueued_at
            self._own_metrics.waited(lane.name, str(self._device), waited_s)

    def looked_up(self, found: int, missed: int) -> None:
        """Encodings that were held, and that were not."""
        self._metrics.cache(found, missed)

    def restarted(self) -> None:
        """The worker died and another has taken its place."""
        self._own_metrics.restarted(str(self._device))

    def watch(self, lanes: Iterable[Lane[Any, Any]]) -> None:
        """Show the depths of the lanes, and the device's memory if it has its own."""
        for lane in lanes:
            self._own_metrics.watch_queue(lane.name, str(self._device), lane.depth)
        if (memory := device_memory(self._device)) is not None:
            self._metrics.watch_device_memory(str(self._device), memory.read_used, memory.total)
