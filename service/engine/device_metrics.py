"""What the metrics and the stage times of requests are told of a device."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from model.runtime import Device
from service.engine.device_memory import device_memory
from service.engine.lane import Lane, Payload, Result, WorkItem
from service.telemetry import EngineMetrics, ModelMetrics, StageName, add_stage


class DeviceMetrics:
    """Reports batches, queues, times and memory of one device.

    Args:
        device: whose figures are reported.
        clock: seconds, monotonic; that of the work items.
        metrics: receives the figures of the device.
        model_metrics: receives the model's figures of batches and queues.
    """

    def __init__(
        self,
        device: Device,
        clock: Callable[[], float],
        metrics: EngineMetrics,
        model_metrics: ModelMetrics,
    ) -> None:
        self._device, self._clock = device, clock
        self._metrics, self._model_metrics = metrics, model_metrics

    def request_done(self, name: StageName, items: Sequence[WorkItem[Payload, Result]]) -> None:
        """How long a request waited in the queue, and its work took from its first batch on."""
        taken_at = min(item.taken_at for item in items)
        done_at = max(item.done_at for item in items)
        waited_s, now = taken_at - items[0].waiting.enqueued_at, self._clock()
        add_stage("queue", waited_s, ended_s_ago=now - taken_at)
        add_stage(name, done_at - taken_at, ended_s_ago=now - done_at)

    def batch_done(
        self,
        lane: Lane[Payload, Result],
        items: Sequence[WorkItem[Payload, Result]],
        seconds: float,
    ) -> None:
        """The items that one run of a graph did, and how long it took."""
        self._model_metrics.batch(lane.name, str(self._device), len(items), seconds)
        for item in items:
            waited_s = item.taken_at - item.waiting.enqueued_at
            self._model_metrics.waited(lane.name, str(self._device), waited_s)

    def looked_up(self, found: int, missed: int) -> None:
        """Images whose encoding was in the cache, and those that had to be encoded."""
        self._metrics.count_lookups(hits=found, misses=missed)

    def restarted(self) -> None:
        """The worker died and another has taken its place."""
        self._model_metrics.restarted(str(self._device))

    def watch(self, lanes: Iterable[Lane[Any, Any]]) -> None:
        """Show the depths of the lanes, and the device's memory if it has its own."""
        for lane in lanes:
            self._model_metrics.watch_queue(lane.name, str(self._device), lane.depth)
        if (memory := device_memory(self._device)) is not None:
            self._metrics.watch_device_memory(str(self._device), memory.read_used, memory.total)
