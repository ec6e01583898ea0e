"""`GET /models`."""

from fastapi import APIRouter

from service.api.dependencies import UseCaseResources
from service.schemas import ModelsResponse
from service.sessions import describe_model

router = APIRouter(tags=["operation"])


@router.get("/models")
async def get_models(resources: UseCaseResources) -> ModelsResponse:
    """The networks the service runs."""
    return ModelsResponse(models=[describe_model(resources)])
