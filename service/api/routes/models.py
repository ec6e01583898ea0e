"""`GET /models`."""

from fastapi import APIRouter

from service.api.dependencies import UseCaseResources
from service.schemas import ModelsResponse
from service.sessions import describe_models

router = APIRouter(tags=["operation"])


@router.get("/models")
async def get_models(resources: UseCaseResources) -> ModelsResponse:
    """The networks the service runs, the default first, then the newest of each name."""
    return ModelsResponse(models=describe_models(resources))
