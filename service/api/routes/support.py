"""`POST /support`."""

from typing import Annotated

from fastapi import APIRouter, Request, status

from service.api.body.intake import receive_form
from service.api.dependencies import Context, Owner
from service.api.idempotency import idempotency_key
from service.api.openapi import problems, upload
from service.schemas import SupportForm, SupportResponse
from service.sessions import register

IdempotencyKey = Annotated[
    str | None,
    idempotency_key(
        "registers nothing again, and gets the class as it is by then. Kept as long as an unused "
        "session"
    ),
]

router = APIRouter(tags=["support"])


@router.post(
    "/support",
    status_code=status.HTTP_201_CREATED,
    openapi_extra=upload(SupportForm),
    responses=problems(400, 404, 409, 413, 415, 422, 500, 503, 504),
)
async def post_support(
    request: Request, context: Context, owner: Owner, idempotency_key: IdempotencyKey = None
) -> SupportResponse:
    """Register a class: a name, one or more images, and a mask for each."""
    async with receive_form(context, request, SupportForm) as form:
        return await register(context.resources, form, owner, idempotency_key)
