"""HTTP: routes, forms, limits and problems."""

from fastapi import APIRouter, FastAPI

from service.api import anylabeling, jobs, label_studio, models, probes, segment, sessions, support
from service.api.context import ApiContext
from service.api.cors import install_cors
from service.api.dependencies import LET_IN
from service.api.drain import Drain
from service.api.headers import SecurityHeaders
from service.api.metrics import metrics_router
from service.api.middleware import RequestContext
from service.api.multipart import BodyLimits
from service.api.openapi import install_openapi, problems
from service.api.problems import install_error_handler

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
label_studio_router.include_router(label_studio.router, dependencies=[LET_IN])


def install_routes(app: FastAPI) -> None:
    """Have the application answer; probes ask without a key."""
    # One by one: routers inside of a router are searched in turn, for every request.
    for router in _GUARDED:
        app.include_router(router, dependencies=[LET_IN], responses=problems(401, 429, 503))
    for router in _OPEN:
        app.include_router(router)


__all__ = [
    "ApiContext",
    "BodyLimits",
    "Drain",
    "RequestContext",
    "SecurityHeaders",
    "install_cors",
    "install_error_handler",
    "install_openapi",
    "install_routes",
    "label_studio_router",
    "metrics_router",
]
