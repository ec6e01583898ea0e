"""What jobs tell of themselves."""

from collections.abc import Callable, Sequence
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from service.telemetry.engine_metrics import SECONDS_BUCKETS, guarded


class JobMetrics:
    """Counters and gauges of the jobs of one directory; safe from any thread.

    Label values are states, which the service chooses, and never whose a job is.

    Args:
        registry: where the metrics are read; none: they are counted for nobody.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._jobs = Gauge("fss_jobs", "Jobs kept, by their state.", ("state",), registry=registry)
        self._images = Counter(
            "fss_job_images", "Images of jobs worked on.", ("outcome",), registry=registry
        )
        for outcome in ("done", "failed"):  # or the increase would lack their first ones
            self._images.labels(outcome)
        self._seconds = Histogram(
            "fss_job_image_seconds",
            "Time one image of a job took, waiting for others included.",
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )

    def image(self, seconds: float, *, failed: bool) -> None:
        """An image has its result, or has none, after so long."""
        self._images.labels("failed" if failed else "done").inc()
        self._seconds.observe(seconds)

    def watch(self, states: Sequence[str], count: Callable[[str], float]) -> None:
        """Have `count` tell how many jobs are in a state; once."""
        for state in states:
            self._jobs.labels(state).set_function(guarded(partial(count, state)))
