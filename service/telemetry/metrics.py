"""What Prometheus reads of one application; docs/metrics.md tells what each metric is for."""

from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
)
from prometheus_client.exposition import choose_encoder

from service.telemetry.engine_metrics import SECONDS_BUCKETS, EngineMetrics, guarded
from service.telemetry.job_metrics import JobMetrics
from service.telemetry.record import RequestRecord

# One label for all unmatched paths, or clients could create any number of labels.
UNKNOWN_ROUTE = "unknown"
# Not an HTTP status: the request ended before it had one, as when the server stops.
NO_RESPONSE = 0


class Exposition(NamedTuple):
    """All metrics as text, and the media type it is of."""

    text: bytes
    media_type: str


@runtime_checkable
class CountedStore(Protocol):
    """A store that can tell how much this process holds without asking anyone."""

    @property
    def sessions(self) -> int:
        """Sessions held."""

    @property
    def nbytes(self) -> int:
        """Bytes of their prototypes."""


class Metrics:
    """The metrics of one application, in a registry of their own; safe from any thread.

    engine: for the engine to count with.
    jobs: for jobs, likewise.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self.engine = EngineMetrics(self._registry)
        self.jobs = JobMetrics(self._registry)
        self._build = Info("fss_build", "What runs here.", registry=self._registry)
        self._requests = Counter(
            "fss_requests",
            "Requests answered.",
            ("route", "method", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "fss_request_seconds",
            "Time from a request's first line to the end of its answer.",
            ("route", "status_class"),
            buckets=SECONDS_BUCKETS,
            registry=self._registry,
        )
        self.in_progress = Gauge(
            "fss_requests_in_progress", "Requests not yet answered.", registry=self._registry
        )
        self._stage_seconds = Histogram(
            "fss_stage_seconds",
            "Time a request spent in a stage.",
            ("stage",),
            buckets=SECONDS_BUCKETS,
            registry=self._registry,
        )
        self._problems = Counter(
            "fss_problems",
            "Requests answered with a problem, by its code.",
            ("code",),
            registry=self._registry,
        )

    def finished(self, record: RequestRecord) -> None:
        """Count a request and the stages it went through."""
        route = record.route or UNKNOWN_ROUTE
        status = str(record.status or NO_RESPONSE)
        self._requests.labels(route, record.method, status).inc()
        self._seconds.labels(route, f"{status[0]}xx").observe(record.seconds)
        for name, seconds in record.stages.seconds.items():
            self._stage_seconds.labels(name).observe(seconds)
        if record.problem is not None:
            self._problems.labels(record.problem).inc()

    def describe_build(self, *, version: str, model: str, provider: str) -> None:
        """Say what runs here: the release, name@revision of networks, where they compute."""
        self._build.info({"version": version, "model": model, "provider": provider})

    def watch_codec(self, waiting: Callable[[], float]) -> None:
        """Have `waiting` tell how many calls wait for a codec thread; once."""
        self._watch("fss_codec_queue", "Decodings and encodings that wait for a thread.", waiting)

    def watch_decoded(self, nbytes: Callable[[], float]) -> None:
        """Have `nbytes` tell what is kept of decoded query images; once."""
        self._watch("fss_decode_cache_bytes", "Bytes of decoded query images kept.", nbytes)

    def watch_store(self, store: object) -> None:
        """Have a store tell what it holds, if it can; once."""
        if isinstance(store, CountedStore):
            sessions, nbytes = "Sessions held in this process.", "Bytes of their prototypes."
            self._watch("fss_store_sessions", sessions, lambda: store.sessions)
            self._watch("fss_store_bytes", nbytes, lambda: store.nbytes)

    def watch_refusals(self, read: Callable[[], float]) -> None:
        """Have `read` tell how many bundles were refused when they were last looked at; once."""
        self._watch("fss_bundles_refused", "Bundles refused when last looked at.", read)

    def watch_keys(self, current: Callable[[], float]) -> None:
        """Have `current` tell whether the valid API keys are those of their file now; once."""
        documentation = "1: the API keys are those of their file; 0: it cannot be used."
        self._watch("fss_api_keys_current", documentation, current)

    def exposition(self, accept: str) -> Exposition:
        """All metrics in the text format that an `Accept` header asks for, OpenMetrics included."""
        try:
            encode, media_type = choose_encoder(accept)
        except (TypeError, ValueError):  # a version that is no number
            encode, media_type = choose_encoder("")
        return Exposition(encode(self._registry), media_type)

    def _watch(self, name: str, documentation: str, read: Callable[[], float]) -> None:
        Gauge(name, documentation, registry=self._registry).set_function(guarded(read))
