"""`/sessions`: look at a session, forget it or one of its classes."""

from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request, Response, status
from fastapi.responses import StreamingResponse

from service.api.body.intake import receive_file
from service.api.dependencies import (
    Context,
    CurrentClient,
    ImportKey,
    PathKey,
    UseCaseResources,
)
from service.api.openapi import problems
from service.api.slots import acquire_slot, release_after
from service.schemas import ARCHIVE_MEDIA_TYPE, ClassName, ReportCard, SessionResponse
from service.sessions import describe_class, describe_session, export_archive, import_archive

_CHUNK_BYTES = 256 * 1024

router = APIRouter(prefix="/sessions", tags=["sessions"], responses=problems(422, 500, 503))

_ARCHIVE_CONTENT = {ARCHIVE_MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}
_ARCHIVE_RESPONSE: dict[int | str, dict[str, Any]] = {200: {"content": _ARCHIVE_CONTENT}}
_REPLACED: dict[int | str, dict[str, Any]] = {
    200: {"model": SessionResponse, "description": "The archive took the place of the session."}
}


@router.get("/{session_id}", responses=problems(404))
async def get_session(key: PathKey, resources: UseCaseResources) -> SessionResponse:
    """What a session holds; like every use, this extends its life."""
    return await describe_session(resources, key)


@router.delete(
    "/{session_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    response_class=Response,
    responses=problems(404),
)
async def delete_session(key: PathKey, resources: UseCaseResources) -> None:
    """Forget a session."""
    await resources.store.delete(key)


@router.delete(
    # A class name may hold a slash, which arrives decoded.
    "/{session_id}/classes/{name:path}",
    status_code=status.HTTP_204_NO_CONTENT,
    response_class=Response,
    responses=problems(404),
)
async def delete_class(key: PathKey, name: ClassName, resources: UseCaseResources) -> None:
    """Forget one class of a session."""
    await resources.store.delete_class(key, name)


@router.get("/{session_id}/classes/{name:path}/report", responses=problems(404, 409))
async def get_report(key: PathKey, name: ClassName, resources: UseCaseResources) -> ReportCard:
    """The report card of a class: what its shots say of each other."""
    return await describe_class(resources, key, name)


@router.get(
    "/{session_id}/archive",
    response_class=Response,
    responses=_ARCHIVE_RESPONSE | problems(404, 504),
)
async def get_archive(
    request: Request, key: PathKey, context: Context, client: CurrentClient
) -> StreamingResponse:
    """The session as one file, for `PUT` to a service that runs the same model."""
    with acquire_slot(context.access.downloads, client) as cleanup:
        take_bytes = cleanup.enter_context(context.archive_bytes.admit(0))
        share = context.access.archive_bytes
        take_from_share = cleanup.enter_context(share.hold(client.name, 0))
        most = share.capacity or context.archive_bytes.capacity

        def take(size: int) -> None:
            counted = min(size, most)  # or a larger one would never fit
            take_from_share(counted)
            take_bytes(counted)

        async with context.admit(request):
            file = await export_archive(context.resources, key, on_size=take)
        slot = cleanup.pop_all()
    return StreamingResponse(
        release_after(slot, _chunks(file)),
        media_type=ARCHIVE_MEDIA_TYPE,
        headers={"Content-Length": str(len(file))},
    )


@router.put(
    "/{session_id}/archive",
    status_code=status.HTTP_201_CREATED,
    openapi_extra={"requestBody": {"required": True, "content": _ARCHIVE_CONTENT}},
    responses=_REPLACED | problems(409, 413, 415, 504),
)
async def put_archive(
    request: Request, response: Response, key: ImportKey, context: Context
) -> SessionResponse:
    """Make a session of a file from `GET`, or replace the one of this id."""
    max_bytes = context.archive_bytes.capacity
    async with receive_file(context, request, ARCHIVE_MEDIA_TYPE, max_bytes=max_bytes) as archive:
        session, is_new = await import_archive(context.resources, key, archive)
    if not is_new:
        response.status_code = status.HTTP_200_OK
    return session


async def _chunks(file: bytes) -> AsyncIterator[bytes]:
    """In chunks, as the server copies and keeps what it is given until the client has read it."""
    for start in range(0, len(file), _CHUNK_BYTES):
        yield file[start : start + _CHUNK_BYTES]
