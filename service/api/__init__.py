"""HTTP: routes, forms, limits and problems."""

from fastapi import APIRouter

from service.api import probes, segment, sessions, support
from service.api.dependencies import ApiContext
from service.api.metrics import metrics_router
from service.api.middleware import RequestContext
from service.api.multipart import BodyLimits
from service.api.openapi import install_openapi
from service.api.problems import install_error_handler

routers: tuple[APIRouter, ...] = (support.router, segment.router, sessions.router, probes.router)

__all__ = [
    "ApiContext",
    "BodyLimits",
    "RequestContext",
    "install_error_handler",
    "install_openapi",
    "metrics_router",
    "routers",
]
