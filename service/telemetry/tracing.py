"""Spans of requests and their stages, sent to an OpenTelemetry collector.

Imported only where a collector is configured: without one, none of OpenTelemetry is loaded.
"""

import threading
import time

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode, set_span_in_context
from opentelemetry.trace import Tracer as SpanSource
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service.telemetry.errors import TracingError
from service.telemetry.record import RequestRecord
from service.telemetry.timing import StageInterval

_SERVICE_NAME = "fewshot-segmentation"
_FLUSH_S = 5.0
_SERVER_ERROR = 500


class Tracer:
    """Makes the spans of one application and sends them in batches, on a thread of its own.

    The standard `OTEL_*` variables set resource attributes, sampling, batching, and the headers,
    certificates, compression and time limit of the export.

    Args:
        endpoint: of the collector's OTLP over HTTP, without the path `/v1/traces`.
        version: of the service.

    Raises:
        TracingError: one of the variables is out of bounds. OpenTelemetry logs what else it does
            not understand, and goes by its defaults.
    """

    def __init__(self, endpoint: str, *, version: str) -> None:
        ours = {"service.name": _SERVICE_NAME, "service.version": version}
        operators = OTELResourceDetector().detect().attributes
        try:
            self._exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
            self._provider = TracerProvider(
                resource=Resource.create({**ours, **operators}), shutdown_on_exit=False
            )
            self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        except ValueError as exc:
            raise TracingError(str(exc)) from exc
        self._source = self._provider.get_tracer("service", version)

    def begin(self, traceparent: str | None) -> "RequestSpan":
        """The span of a request, within the trace that its `traceparent` (W3C) names, if any.

        Its `tracestate` is dropped: nothing is called from here that could take it further.
        """
        carrier = {} if traceparent is None else {"traceparent": traceparent}
        context = TraceContextTextMapPropagator().extract(carrier, context=Context())
        return RequestSpan(self._source, context)

    def shutdown(self) -> None:
        """Send what is left; blocks for a few seconds at most when the collector does not answer.

        After `_FLUSH_S` no attempt is repeated; one under way ends by the exporter's time limit.
        """
        flush_timer = threading.Timer(_FLUSH_S, self._exporter.shutdown)
        flush_timer.daemon = True
        flush_timer.start()
        try:
            self._provider.shutdown()
        finally:
            flush_timer.cancel()


class RequestSpan:
    """The server's span of one request, open until `finish`.

    trace_id: 32 hexadecimal digits for the log; None where the SDK is disabled.
    """

    def __init__(self, source: SpanSource, context: Context) -> None:
        self._source = source
        self._clock_offset_ns = time.time_ns() - int(time.perf_counter() * 1e9)
        self._span = source.start_span("request", context=context, kind=SpanKind.SERVER)
        known = self._span.get_span_context()
        self.trace_id = f"{known.trace_id:032x}" if known.is_valid else None

    def finish(self, record: RequestRecord) -> None:
        """Name and end the span; the stages become its children, with the times they had."""
        if self._span.is_recording():
            self._describe(record)
            within = set_span_in_context(self._span, Context())
            for interval in record.stages.intervals:
                self._child(interval, within)
        self._span.end()

    def _describe(self, record: RequestRecord) -> None:
        name = record.method if record.route is None else f"{record.method} {record.route}"
        self._span.update_name(name)
        self._span.set_attribute("http.request.method", record.method)
        if record.route is not None:
            self._span.set_attribute("http.route", record.route)
        if record.status is not None:
            self._span.set_attribute("http.response.status_code", record.status)
        if record.problem is not None:
            self._span.set_attribute("error.type", record.problem)
        # By OpenTelemetry's convention, errors of the client are not errors of a server span.
        if record.status is None or record.status >= _SERVER_ERROR:
            self._span.set_status(StatusCode.ERROR, record.problem)

    def _child(self, interval: StageInterval, within: Context) -> None:
        start_ns = self._clock_offset_ns + int(interval.start * 1e9)
        child: Span = self._source.start_span(interval.name, context=within, start_time=start_ns)
        if interval.failed:
            child.set_status(StatusCode.ERROR)
        child.end(end_time=start_ns + int(interval.seconds * 1e9))
