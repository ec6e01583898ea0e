"""What surrounds every request: ids, stage times, log line, metrics, span, unexpected errors."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.drain import Drain
from service.api.problems import problem_response
from service.telemetry import (
    Metrics,
    RequestRecord,
    StageTimes,
    bind_request_id,
    bind_trace_id,
    collect_problem,
    collect_stages,
    known_method,
    request_id_from,
)

if TYPE_CHECKING:
    from service.telemetry.tracing import RequestSpan, Tracer

_log = logging.getLogger("service.requests")

REQUEST_ID_HEADER = "X-Request-ID"
TRACE_PARENT_HEADER = "traceparent"
SERVER_TIMING_HEADER = "Server-Timing"
# Not a registered status: proxies log it for a client that disconnected before the response.
CLIENT_CLOSED_REQUEST = 499
# Requests to these are refused here if there is no slot for them, before any work is done: under
# overload, a costly refusal would slow down the requests that were admitted.
_UPLOADS = frozenset({"/support", "/segment"})


class RequestMiddleware:
    """Pure ASGI, so that it neither buffers bodies nor moves the request to another task.

    An unexpected exception is answered here and not in Starlette's outermost layer, which would
    answer without the request id and log the traceback in another format.

    Args:
        app: the application.
        metrics: counts every request.
        drain: tells when the service is about to stop.
        require_capacity: raises where a request with a body would find no slot.
        tracer: makes a span of every request; None: no spans are made.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: Metrics,
        drain: Drain,
        require_capacity: Callable[[], None],
        tracer: "Tracer | None" = None,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._drain = drain
        self._require_capacity = require_capacity
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = request_id_from(headers.get(REQUEST_ID_HEADER))
        with (
            bind_request_id(request_id),
            collect_stages() as stages,
            collect_problem() as problem,
            self._traced(headers) as span,
            self._metrics.in_progress.track_inprogress(),
        ):
            response = _Response(scope, send, request_id, stages, self._drain)
            try:
                if scope["path"].endswith("\n"):
                    # Starlette's patterns end before it: this would be another resource's path.
                    raise HTTPException(HTTPStatus.NOT_FOUND)
                if scope["method"] == "POST" and scope["path"] in _UPLOADS:
                    response.route = scope["path"]
                    self._require_capacity()
                await self._app(scope, receive, response.send)
            except ClientDisconnect:
                response.status = CLIENT_CLOSED_REQUEST  # nobody is left to send it to
            except asyncio.CancelledError:
                if not self._drain.begun or response.status is not None:
                    raise
                # The time to drain is over. The server's own response would be a bare 500.
                await problem_response(self._drain.refusal())(scope, receive, response.send)
            except Exception as exc:
                if response.status is not None:
                    raise  # too late for another response; the server closes the connection
                await problem_response(exc)(scope, receive, response.send)
            finally:
                self._report(response.record(problem.code), span)

    @contextmanager
    def _traced(self, headers: Headers) -> "Iterator[RequestSpan | None]":
        if self._tracer is None:
            yield None
            return
        span = self._tracer.begin(headers.get(TRACE_PARENT_HEADER))
        with bind_trace_id(span.trace_id):
            yield span

    def _report(self, record: RequestRecord, span: "RequestSpan | None") -> None:
        self._metrics.finished(record)
        if span is not None:
            span.finish(record)
        _log.info(
            "request",
            extra={
                "method": record.method,
                "route": record.route,
                "status": record.status,
                "duration_ms": round(record.seconds * 1000, 1),
                "stages_ms": {k: round(s * 1000, 1) for k, s in record.stages.seconds.items()},
            },
        )


class _Response:
    """Adds headers to a response as it starts, and remembers what is logged at its end."""

    def __init__(
        self, scope: Scope, send: Send, request_id: str, stages: StageTimes, drain: Drain
    ) -> None:
        self.status: int | None = None
        self.route: str | None = None
        self._scope = scope
        self._send = send
        self._drain = drain
        self._request_id = request_id
        self._stages = stages
        self._started_at = time.perf_counter()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers[REQUEST_ID_HEADER] = self._request_id
            if timing := self._stages.header():
                headers[SERVER_TIMING_HEADER] = timing
            # What a route's dependencies add to every response, problems too.
            headers.update(self._scope.get("state", {}).get("response_headers", {}))
            if self._drain.begun:
                headers["Connection"] = "close"  # the next request must go elsewhere
        await self._send(message)

    def record(self, problem: str | None) -> RequestRecord:
        """For log and metrics: with the pattern of the route, as its path holds session ids."""
        return RequestRecord(
            method=known_method(self._scope["method"]),
            route=getattr(self._scope.get("route"), "path", self.route),
            status=self.status,
            seconds=time.perf_counter() - self._started_at,
            stages=self._stages,
            problem=problem,
        )
