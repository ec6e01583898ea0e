"""HTTP: routes, forms, limits and problems."""

from fastapi import APIRouter, FastAPI

from service.api.body.multipart import BodyLimits
from service.api.context import ApiContext
from service.api.cors import install_cors
from service.api.dependencies import ADMIT_CLIENT
from service.api.drain import Drain
from service.api.headers import SecurityHeaders
from service.api.middleware import RequestMiddleware
from service.api.openapi import install_openapi, problems
from service.api.origins import SameOriginMiddleware
from service.api.problems import install_error_handler
from service.api.routes import (
    anylabeling,
    jobs,
    label_studio,
    models,
    probes,
    segment,
    sessions,
    support,
)
from service.api.routes.metrics import metrics_router

_OPEN = (probes.router,)
_GUARDED = (
    support.router,
    segment.router,
    sessions.router,
    models.router,
    jobs.router,
    anylabeling.router,
)

label_studio_router = APIRouter()
label_studio_router.include_router(label_studio.health_router)
label_studio_router.include_router(label_studio.router, dependencies=[ADMIT_CLIENT])


def install_routes(app: FastAPI) -> None:
    """Add the routes to the application; probes need no key."""
    # One by one: a nested router would cost every request another search.
    for router in _GUARDED:
        app.include_router(
            router, dependencies=[ADMIT_CLIENT], responses=problems(401, 403, 429, 503)
        )
    for router in _OPEN:
        app.include_router(router, responses=problems(403))


__all__ = [
    "ApiContext",
    "BodyLimits",
    "Drain",
    "RequestMiddleware",
    "SameOriginMiddleware",
    "SecurityHeaders",
    "install_cors",
    "install_error_handler",
    "install_openapi",
    "install_routes",
    "label_studio_router",
    "metrics_router",
]
