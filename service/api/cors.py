"""CORS: pages of other origins are allowed only where the settings name their origin."""

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from service.api.clients import RATE_LIMIT_HEADERS
from service.api.middleware import REQUEST_ID_HEADER, SERVER_TIMING_HEADER
from service.api.routes.segment import CLASS_NAMES_HEADER
from service.schemas import IDEMPOTENCY_HEADER, KEY_HEADER, SESSION_HEADER


def install_cors(app: FastAPI, origins: tuple[str, ...]) -> None:
    """Allow pages of these origins, and expose the response headers that clients need.

    Without the browser's credentials: an API key is a header that the page sets itself.
    """
    if not origins:
        return
    app.add_middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_methods=("GET", "HEAD", "POST", "PUT", "DELETE"),
        allow_headers=(
            "Authorization",
            IDEMPOTENCY_HEADER,
            "Last-Event-ID",
            KEY_HEADER,
            REQUEST_ID_HEADER,
            SESSION_HEADER,
        ),
        expose_headers=(
            REQUEST_ID_HEADER,
            SERVER_TIMING_HEADER,
            SESSION_HEADER,
            CLASS_NAMES_HEADER,
            "Retry-After",
            *RATE_LIMIT_HEADERS,
        ),
    )
