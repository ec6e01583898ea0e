"""`GET /metrics`."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from service.telemetry import Metrics


def metrics_router(metrics: Metrics) -> APIRouter:
    """The route that Prometheus scrapes; not in the OpenAPI document."""
    router = APIRouter()

    # Not async, so that it runs in a thread: reading a device's memory may take a while.
    @router.get("/metrics", include_in_schema=False)
    def get_metrics(request: Request) -> Response:
        """All metrics, as text or OpenMetrics by the `Accept` header."""
        exposition = metrics.exposition(request.headers.get("accept", ""))
        return Response(exposition.text, headers={"Content-Type": exposition.media_type})

    return router
