"""`/sessions`: look at a session, forget it or one of its classes."""

from fastapi import APIRouter, status

from service.api.dependencies import PathKey, UseCaseResources
from service.api.openapi import problems
from service.schemas import ClassName, SessionResponse
from service.sessions import describe_session

router = APIRouter(prefix="/sessions", tags=["sessions"], responses=problems(404, 422, 500))


@router.get("/{session_id}")
async def get_session(key: PathKey, resources: UseCaseResources) -> SessionResponse:
    """What a session holds; like every use, this extends its life."""
    return await describe_session(resources, key)


@router.delete("/{session_id}", status_code=status.HTTP_204_NO_CONTENT)
async def delete_session(key: PathKey, resources: UseCaseResources) -> None:
    """Forget a session."""
    await resources.store.delete(key)


@router.delete(
    # A class name may hold a slash, which arrives decoded.
    "/{session_id}/classes/{name:path}",
    status_code=status.HTTP_204_NO_CONTENT,
)
async def delete_class(key: PathKey, name: ClassName, resources: UseCaseResources) -> None:
    """Forget one class of a session."""
    await resources.store.delete_class(key, name)
