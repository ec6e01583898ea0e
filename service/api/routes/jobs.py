"""`/jobs`: segment many images in the background."""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import IO, Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response, status
from fastapi.responses import StreamingResponse
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from service.api.body.forms import validate_form
from service.api.body.intake import read_job_form
from service.api.context import ApiContext
from service.api.dependencies import Context, CurrentClient, Owner
from service.api.idempotency import idempotency_key
from service.api.interruption import cancel_on_disconnect
from service.api.openapi import problems, upload
from service.api.slots import acquire_slot, release_after
from service.errors import JobNotFoundError, JobStorageError
from service.jobs import JobDesk, JobForm
from service.schemas import EVENTS_PING_S, FINISHED, SESSION_HEADER, JobResponse, JobsResponse

router = APIRouter(prefix="/jobs", tags=["jobs"], responses=problems(422, 500, 503))

_POLL_S = 0.25
_GRACE_S = 5  # to end by itself where the service stops, several times what it takes
_CHUNK = 256 * 1024
_ZIP: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}}
}
# Without a schema: what a stream holds is a sequence, which OpenAPI 3.1 cannot tell.
_EVENTS: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {}}}}


async def _desk(context: Context) -> JobDesk:
    return context.require_jobs()


Desk = Annotated[JobDesk, Depends(_desk)]
IdempotencyKey = Annotated[
    str | None,
    idempotency_key(
        "makes no other job, and gets the job as it is by then. The key is kept as long as the job"
    ),
]


@router.post(
    "",
    status_code=status.HTTP_202_ACCEPTED,
    openapi_extra=upload(JobForm),
    responses=problems(400, 404, 409, 413, 415, 504),
)
async def post_job(
    request: Request,
    context: Context,
    desk: Desk,
    client: CurrentClient,
    key: IdempotencyKey = None,
) -> JobResponse:
    """Segment images, a zip or a folder of them; the classes are those the session has now."""
    async with desk.arrivals.begin(client.owner, client.name, key) as arrival:
        spooled = await read_job_form(context, request, arrival)
        header = request.headers.get(SESSION_HEADER)
        form = validate_form(JobForm, spooled.fields, session_header=header)
        async with cancel_on_disconnect(request):
            job = await desk.creator.create(form, arrival, spooled.names, spooled.archive, key)
            return desk.response(job)


@router.get("")
async def get_jobs(desk: Desk, owner: Owner) -> JobsResponse:
    """One's own jobs, newest first."""
    return JobsResponse(jobs=await desk.list(owner))


@router.get("/{job_id}", responses=problems(404))
async def get_job(job_id: str, desk: Desk, owner: Owner) -> JobResponse:
    """How far a job is, and what failed."""
    return await desk.get(job_id, owner)


@router.get(
    "/{job_id}/events", response_class=EventSourceResponse, responses=_EVENTS | problems(404, 429)
)
async def get_events(
    job_id: str,
    desk: Desk,
    context: Context,
    client: CurrentClient,
    last_event_id: Annotated[str | None, Header(max_length=20)] = None,
) -> EventSourceResponse:
    """Sends `progress` as images finish and `end` once, each with the job as data.

    `progress` also comes where the job comes to a standstill, and where it goes on.

    A cancelled job finishes its current image first. An event's id is the number of images
    finished; with `Last-Event-ID` older events are left out.
    """
    await desk.get(job_id, client.owner)
    slot = acquire_slot(context.access.streams, client)
    seen = int(last_event_id) if last_event_id and last_event_id.isdecimal() else -1
    events = release_after(slot, _events(desk, context, job_id, client.owner, seen))
    return EventSourceResponse(events, ping=EVENTS_PING_S, shutdown_grace_period=_GRACE_S)


@router.post("/{job_id}/cancel", responses=problems(404))
async def post_cancel(job_id: str, desk: Desk, owner: Owner) -> JobResponse:
    """Stop after the image at work; what is done stays, and `resume` goes on."""
    return await desk.cancel(job_id, owner)


@router.post("/{job_id}/resume", responses=problems(404, 409))
async def post_resume(job_id: str, desk: Desk, owner: Owner) -> JobResponse:
    """Go on with a cancelled job, and try failed images again."""
    return await desk.resume(job_id, owner)


@router.get(
    "/{job_id}/results", response_class=StreamingResponse, responses=_ZIP | problems(404, 409, 429)
)
async def get_results(
    request: Request, job_id: str, desk: Desk, context: Context, client: CurrentClient
) -> StreamingResponse:
    """A zip of what is done, in the formats the job was made with."""
    with acquire_slot(context.access.downloads, client) as cleanup:
        async with cancel_on_disconnect(request):
            results = await desk.results(job_id, client.owner, client.name)
        slot = cleanup.pop_all()
    chunks = release_after(slot, _chunks(results))
    headers = {
        "Content-Disposition": 'attachment; filename="results.zip"',
        "Content-Length": str(os.fstat(results.fileno()).st_size),
    }
    return StreamingResponse(chunks, media_type="application/zip", headers=headers)


@router.delete(
    "/{job_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    response_class=Response,
    responses=problems(404),
)
async def delete_job(job_id: str, desk: Desk, owner: Owner) -> None:
    """Forget a job, its images and results."""
    await desk.delete(job_id, owner)


async def _events(
    desk: JobDesk, context: ApiContext, job_id: str, owner: str, seen: int
) -> AsyncIterator[ServerSentEvent]:
    before, still = seen, None
    while not context.drain.begun:
        # Before the job is read, or the image at work could finish in between and be left out.
        at_work = desk.at_work(job_id)
        try:
            job = await desk.get(job_id, owner)
        except (JobNotFoundError, JobStorageError):
            return  # the next request is told: the job was deleted, or the database fails
        finished = job.done + job.failed
        ended = job.state in FINISHED and not (at_work or desk.at_work(job_id))
        if finished < before:  # failed images are tried again
            seen = -1
        if ended or finished > seen or job.stands_still_since != still:
            event = "end" if ended else "progress"
            yield ServerSentEvent(job.model_dump_json(), event=event, id=str(finished))
        if ended:
            return
        seen, before, still = max(seen, finished), finished, job.stands_still_since
        await asyncio.sleep(_POLL_S)


async def _chunks(file: IO[bytes]) -> AsyncIterator[bytes]:
    with file:
        while chunk := await run_in_threadpool(file.read, _CHUNK):
            yield chunk
