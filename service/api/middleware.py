"""What surrounds every request: its id, its stage times, its log line, and the last resort."""

import asyncio
import logging
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.drain import Drain
from service.api.problems import problem_response
from service.telemetry import StageTimes, bind_request_id, collect_stages, request_id_from

_log = logging.getLogger("service.access")

REQUEST_ID_HEADER = "X-Request-ID"
SERVER_TIMING_HEADER = "Server-Timing"
# Not a registered status: what proxies log for a client that left before its answer.
CLIENT_CLOSED_REQUEST = 499
# A client may make a method up and put anything into it; the log takes none but these.
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


class RequestContext:
    """Pure ASGI, so that it neither buffers bodies nor moves the request to another task.

    An unexpected exception is answered here and not in Starlette's outermost layer, which would
    answer without the request id and log the traceback in another format.
    """

    def __init__(self, app: ASGIApp, drain: Drain) -> None:
        self._app = app
        self._drain = drain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = request_id_from(Headers(scope=scope).get(REQUEST_ID_HEADER))
        with bind_request_id(request_id), collect_stages() as stages:
            response = _Response(scope, send, request_id, stages, self._drain)
            try:
                await self._app(scope, receive, response.send)
            except ClientDisconnect:
                response.status = CLIENT_CLOSED_REQUEST  # nobody is left to send it to
            except asyncio.CancelledError:
                if not self._drain.begun or response.status is not None:
                    raise
                # The server ran out of patience at its end. Its own answer would be a bare 500.
                await problem_response(self._drain.refusal())(scope, receive, response.send)
            except Exception as exc:
                if response.status is not None:
                    raise  # too late for another answer; the server closes the connection
                await problem_response(exc)(scope, receive, response.send)
            finally:
                response.log()


class _Response:
    """Adds the headers to a response as it starts, and remembers what the log needs."""

    def __init__(
        self, scope: Scope, send: Send, request_id: str, stages: StageTimes, drain: Drain
    ) -> None:
        self.status: int | None = None
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
            # What the dependencies of a route want in every answer, problems too.
            headers.update(self._scope.get("state", {}).get("response_headers", {}))
            if self._drain.begun:
                headers["Connection"] = "close"  # the next request must go elsewhere
        await self._send(message)

    def log(self) -> None:
        """The route's pattern stands for the path, which holds session ids and class names."""
        method = self._scope["method"]
        _log.info(
            "request",
            extra={
                "method": method if method in _METHODS else None,
                "route": getattr(self._scope.get("route"), "path", None),
                "status": self.status,
                "duration_ms": round((time.perf_counter() - self._started_at) * 1000, 1),
                "stages_ms": {k: round(s * 1000, 1) for k, s in self._stages.seconds.items()},
            },
        )
