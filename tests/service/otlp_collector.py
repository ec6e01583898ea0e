"""A collector of traces on a real socket, which keeps what it is sent."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector:
    """What arrived at `endpoint`, in order."""

    def __init__(self) -> None:
        self.endpoint = ""
        self.bodies: list[bytes] = []

    @property
    def spans(self) -> list[Span]:
        return [
            span
            for export in self._exports()
            for resource_spans in export.resource_spans
            for scope_spans in resource_spans.scope_spans
            for span in scope_spans.spans
        ]

    @property
    def resource(self) -> dict[str, str | int]:
        """Attributes of the service that sent the spans."""
        (export, *_) = self._exports()
        return attributes(export.resource_spans[0].resource.attributes)

    def server_span(self, name: str) -> Span:
        """The one span of a request with that name."""
        (span,) = [s for s in self.spans if s.name == name and s.kind == Span.SPAN_KIND_SERVER]
        return span

    def children(self, parent: Span) -> dict[str, Span]:
        """Spans right below one, by name."""
        return {s.name: s for s in self.spans if s.parent_span_id == parent.span_id}

    def _exports(self) -> list[ExportTraceServiceRequest]:
        return [ExportTraceServiceRequest.FromString(body) for body in self.bodies]


def attributes(pairs: Iterable[KeyValue]) -> dict[str, str | int]:
    """Attributes of a span or a resource as a dictionary."""
    return {pair.key: _plain(pair.value) for pair in pairs}


def _plain(value: AnyValue) -> str | int:
    return value.int_value if value.HasField("int_value") else value.string_value


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that listens within the block."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            collector.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.endpoint = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()
