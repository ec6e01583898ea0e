"""`/healthz` and `/readyz`, which need no API key."""

import logging

from fastapi import APIRouter

from service.api.dependencies import Context
from service.api.openapi import problems
from service.errors import EngineFailedError, NotReadyError
from service.schemas import StatusResponse

_log = logging.getLogger(__name__)

router = APIRouter(tags=["operation"])


# HEAD too, which some load balancers use.
@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", responses=problems(500))
async def get_health(context: Context) -> StatusResponse:
    """Liveness: the process serves, and its engine has not failed for good."""
    failure = context.resources.models.failure
    if failure is not None:
        _log.error("engine failed", extra={"reason": failure})
        raise EngineFailedError
    return StatusResponse(status="ok")


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", responses=problems(503))
async def get_readiness(context: Context) -> StatusResponse:
    """Readiness: an inference has succeeded and the session store responds."""
    if context.drain.begun:
        raise context.drain.refusal()
    if not context.resources.models.ready:
        raise NotReadyError
    await context.resources.store.ping()
    return StatusResponse(status="ready")
