"""What engines tell of their batches, queues, cache and devices."""

import logging
import math
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_log = logging.getLogger(__name__)

# From a millisecond, a stage of a small image, to a minute, the default deadline.
SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_ITEMS_BUCKETS = (1, 2, 4, 8, 16, 32, 64)
_LANE = ("lane", "device", "model")


class EngineMetrics:
    """Counters and gauges of an engine; its methods may be called from any thread.

    Label values are names of lanes, devices and loaded networks, which the service and its operator
    choose, and never a client.

    Args:
        registry: where the metrics are read; none: they are counted for nobody.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.batch_items = Histogram(
            "fss_engine_batch_items",
            "Work items that ran together in one batch.",
            _LANE,
            buckets=_ITEMS_BUCKETS,
            registry=registry,
        )
        self.batch_seconds = Histogram(
            "fss_engine_batch_seconds",
            "Time one batch took on its device.",
            _LANE,
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        self.wait_seconds = Histogram(
            "fss_engine_wait_seconds",
            "Time a work item waited in its queue before it ran.",
            _LANE,
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        self._lookups = Counter(
            "fss_engine_cache_lookups",
            "Images that were encoded or predicted already (hit), or had to be encoded (miss).",
            ("outcome",),
            registry=registry,
        )
        self.restarts = Counter(
            "fss_engine_restarts",
            "Workers that died and were started again.",
            ("device", "model"),
            registry=registry,
        )
        self.depth = Gauge(
            "fss_engine_queue_depth", "Work items waiting in a queue.", _LANE, registry=registry
        )
        self._cache_bytes = Gauge(
            "fss_engine_cache_bytes",
            "Bytes of encoded images and of predictions kept.",
            registry=registry,
        )
        self.shown: dict[str, ModelMetrics] = {}
        by_lane = (self.batch_items, self.batch_seconds, self.wait_seconds, self.depth)
        self.of_models = (*by_lane, self.restarts)
        self._memory_bytes = Gauge(
            "fss_engine_device_memory_bytes",
            "Memory in use on a device.",
            ("device",),
            registry=registry,
        )
        self._memory_total_bytes = Gauge(
            "fss_engine_device_memory_total_bytes",
            "Memory that a device has.",
            ("device",),
            registry=registry,
        )

    def of(self, model: str) -> "ModelMetrics":
        """What counts for one network by itself; `model`: name and revision."""
        return ModelMetrics(self, model)

    def count_lookups(self, *, hits: int, misses: int) -> None:
        """Count images that were encoded or predicted already (hits), and those that were not."""
        self._lookups.labels("hit").inc(hits)
        self._lookups.labels("miss").inc(misses)

    def watch_cache(self, read: Callable[[], float]) -> None:
        """Have `read` tell the bytes of the cache, whenever metrics are read."""
        self._cache_bytes.set_function(guarded(read))

    def watch_device_memory(self, device: str, read: Callable[[], float], total: float) -> None:
        """Have `read` tell a device's bytes in use, of `total`, whenever metrics are read."""
        self._memory_bytes.labels(device).set_function(guarded(read))
        self._memory_total_bytes.labels(device).set(total)


class ModelMetrics:
    """Counts for one network; its methods may be called from any thread."""

    def __init__(self, metrics: EngineMetrics, model: str) -> None:
        self._all, self._model = metrics, model

    def batch(self, lane: str, device: str, items: int, seconds: float) -> None:
        """Record the size and the duration of a batch."""
        self._all.batch_items.labels(lane, device, self._model).observe(items)
        self._all.batch_seconds.labels(lane, device, self._model).observe(seconds)

    def waited(self, lane: str, device: str, seconds: float) -> None:
        """A work item leaves its queue to run."""
        self._all.wait_seconds.labels(lane, device, self._model).observe(seconds)

    def restarted(self, device: str) -> None:
        """The worker of a device has died and begins again."""
        self._all.restarts.labels(device, self._model).inc()

    def watch_queue(self, lane: str, device: str, read: Callable[[], float]) -> None:
        """Have `read` tell how many work items wait, whenever metrics are read."""
        self._all.shown[self._model] = self
        self._all.depth.labels(lane, device, self._model).set_function(guarded(read))

    def forget(self) -> None:
        """Show the network no more: it has been unloaded, and there may be many in time.

        Where it has been loaded again under the same name, what is shown is that one's.
        """
        if self._all.shown.get(self._model) is not self:
            return
        del self._all.shown[self._model]
        for metric in self._all.of_models:
            metric.remove_by_labels({"model": self._model})


def guarded(read: Callable[[], float]) -> Callable[[], float]:
    """The same reading, but not a number when it fails: one gauge must not cost all the others."""

    def safely() -> float:
        try:
            return read()
        except Exception:  # noqa: BLE001 - whatever it is, the log tells it
            _log.exception("a gauge could not be read")
            return math.nan

    return safely
