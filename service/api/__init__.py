"""HTTP: routes, forms, limits and problems."""

from fastapi import APIRouter

from service.api import anylabeling, jobs, label_studio, models, probes, segment, sessions, support
from service.api.cors import install_cors
from service.api.dependencies import LET_IN, ApiContext
from service.api.drain import Drain
from service.api.headers import SecurityHeaders
from service.api.metrics import metrics_router
from service.api.middleware import RequestContext
from service.api.multipart import BodyLimits
from service.api.openapi import install_openapi, problems
from service.api.problems import install_error_handler

# What is added here needs a key; the other routers are for everybody.
_guarded = APIRouter(dependencies=[LET_IN], responses=problems(401, 429, 503))
for _router in (
    support.router,
    segment.router,
    sessions.router,
    models.router,
    jobs.router,
    anylabeling.router,
):
    _guarded.include_router(_router)

label_studio_router = APIRouter()
label_studio_router.include_router(label_studio.health_router)
label_studio_router.include_router(label_studio.router, dependencies=[LET_IN])

routers: tuple[APIRouter, ...] = (_guarded, probes.router)

__all__ = [
    "ApiContext",
    "BodyLimits",
    "Drain",
    "RequestContext",
    "SecurityHeaders",
    "install_cors",
    "install_error_handler",
    "install_openapi",
    "label_studio_router",
    "metrics_router",
    "routers",
]
