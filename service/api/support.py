"""`POST /support`."""

from fastapi import APIRouter, Request, status

from service.api.dependencies import Context, Owner
from service.api.openapi import problems, upload
from service.schemas import SupportForm, SupportResponse
from service.sessions import register

router = APIRouter(tags=["support"])


@router.post(
    "/support",
    status_code=status.HTTP_201_CREATED,
    openapi_extra=upload(SupportForm),
    responses=problems(400, 404, 409, 413, 415, 422, 500, 503, 504),
)
async def post_support(request: Request, context: Context, owner: Owner) -> SupportResponse:
    """Register a class: a name, one or more images, and a mask for each."""
    async with context.upload(request, SupportForm) as form:
        return await register(context.resources, form, owner)
