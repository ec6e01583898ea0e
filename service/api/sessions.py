"""`/sessions`: look at a session, forget it or one of its classes."""

from fastapi import APIRouter, status

from service.api.dependencies import UseCaseResources
from service.api.openapi import problems
from service.schemas import ClassName, SessionResponse
from service.sessions import describe_session

router = APIRouter(prefix="/sessions", tags=["sessions"], responses=problems(404, 422, 500))


@router.get("/{session_id}")
async def get_session(session_id: str, resources: UseCaseResources) -> SessionResponse:
    """What a session holds; like every use, this extends its life."""
    return await describe_session(resources, session_id)


@router.delete("/{session_id}", status_code=status.HTTP_204_NO_CONTENT)
async def delete_session(session_id: str, resources: UseCaseResources) -> None:
    """Forget a session."""
    await resources.store.delete(session_id)


@router.delete(
    # A class name may hold a slash, which arrives decoded.
    "/{session_id}/classes/{name:path}",
    status_code=status.HTTP_204_NO_CONTENT,
)
async def delete_class(session_id: str, name: ClassName, resources: UseCaseResources) -> None:
    """Forget one class of a session."""
    await resources.store.delete_class(session_id, name)
