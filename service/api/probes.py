"""`/healthz`, `/readyz` and `/models`."""

from fastapi import APIRouter

from service.api.dependencies import UseCaseResources
from service.api.openapi import problems
from service.errors import EngineFailedError, NotReadyError
from service.schemas import ModelsResponse, StatusResponse
from service.sessions import describe_model

router = APIRouter(tags=["operation"])


# HEAD too, which load balancers like to ask with.
@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", responses=problems(500))
async def get_health(resources: UseCaseResources) -> StatusResponse:
    """Whether a restart would be pointless: the process serves and its engine has not failed."""
    if resources.engine.failure is not None:
        raise EngineFailedError
    return StatusResponse(status="ok")


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", responses=problems(503))
async def get_readiness(resources: UseCaseResources) -> StatusResponse:
    """Whether a real inference has succeeded and the store answers, so that traffic may come."""
    if not resources.engine.ready:
        raise NotReadyError
    await resources.store.ping()
    return StatusResponse(status="ready")


@router.get("/models")
async def get_models(resources: UseCaseResources) -> ModelsResponse:
    """The networks the service runs."""
    return ModelsResponse(models=[describe_model(resources)])
