"""Receives the body of a request, bounded in bytes and time, before the request is admitted."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import Request
from starlette.datastructures import Headers

from service.api.body.field_kinds import field_kinds
from service.api.body.forms import Form, validate_form
from service.api.body.multipart import BodyLimits, read_form
from service.api.body.single_file import read_file
from service.api.body.spooling import SpooledForm, spool_form
from service.api.body.stall_timeout import with_stall_timeout
from service.api.context import ApiContext
from service.api.interruption import cancel_when, within_deadline
from service.errors import BodyTooLargeError, UnsupportedMediaTypeError
from service.jobs import Arrival
from service.schemas import SESSION_HEADER


@asynccontextmanager
async def receive_form(
    context: ApiContext, request: Request, form: type[Form]
) -> AsyncIterator[Form]:
    """The validated form of a request, which is admitted for the block.

    It is admitted once its body is complete, so that a client that stalls takes no slot from
    others. Bytes are counted as they arrive, not as announced, so that announcing a large body
    keeps nobody out. The block is cancelled when the client disconnects.

    Raises:
        QueueFullError, TooManyRequestsError, DeadlineExceededError.
        ServiceError: see `read_form`, `validate_form`.
        NotReadyError: the service began to stop before the body was complete.
        ClientDisconnect.
    """
    async with _bounded_body(context, request, context.body_limits) as body:
        content_type = request.headers.get("content-type", "")
        async with _body_deadline(context):
            files = field_kinds(form).files
            fields = await read_form(body, content_type, context.body_limits, files)
        session_header = request.headers.get(SESSION_HEADER)
        validated = validate_form(form, fields, session_header=session_header)
        del fields  # the form alone holds the files, and its reader empties it
        async with context.admit(request):
            yield validated


@asynccontextmanager
async def receive_file(
    context: ApiContext, request: Request, media_type: str, *, max_bytes: int | None = None
) -> AsyncIterator[bytes]:
    """A body that is a single file; otherwise as `receive_form`.

    Args:
        context: of the application.
        request: whose body is received.
        media_type: that the body must have.
        max_bytes: None: as many as a form may have.

    Raises:
        QueueFullError, TooManyRequestsError, DeadlineExceededError, UnsupportedMediaTypeError,
        BodyTooLargeError, NotReadyError, ClientDisconnect.
    """
    limits = context.body_limits._replace(max_bytes=max_bytes or context.body_limits.max_bytes)
    async with _bounded_body(context, request, limits) as body:
        content_type = request.headers.get("content-type", "")
        async with _body_deadline(context):
            file = await read_file(body, content_type, media_type, limits.max_bytes)
        async with context.admit(request):
            yield file


async def read_job_form(context: ApiContext, request: Request, arrival: Arrival) -> SpooledForm:
    """The form of a job, its files on disk; it takes no slot from other requests.

    Raises:
        DeadlineExceededError: the body stalls; it may take any time as long as it progresses.
        LimitExceededError, NotReadyError, ServiceError: see `read_form`.
    """
    limits = BodyLimits(context.jobs_max_bytes, context.require_jobs().creator.max_images)
    arrival.require(_check_headers(request.headers, limits))
    content_type = request.headers.get("content-type", "")
    stream = with_stall_timeout(request.stream(), context.jobs_stall_s)
    async with cancel_when(context.drain.wait, context.drain.refusal):
        return await spool_form(_counted(stream, arrival.take), content_type, limits, arrival)


@asynccontextmanager
async def _bounded_body(
    context: ApiContext, request: Request, limits: BodyLimits
) -> AsyncIterator[AsyncIterator[bytes]]:
    """The stream of a body, its bytes counted for its client and for the service.

    Raises:
        QueueFullError: there would be no slot for its request, or too long a wait.
        UnsupportedMediaTypeError, BodyTooLargeError.
    """
    context.require_capacity()
    client_bytes = context.access.upload_bytes.hold(request.state.client.name, 0)
    with context.body_bytes.admit(0) as take_bytes, client_bytes as take_client_bytes:
        _check_headers(request.headers, limits)
        yield _counted(_counted(request.stream(), take_client_bytes), take_bytes)


@asynccontextmanager
async def _body_deadline(context: ApiContext) -> AsyncIterator[None]:
    """A block in which a body must be complete in time, and before the service begins to stop."""
    async with (
        cancel_when(context.drain.wait, context.drain.refusal),
        within_deadline(context.upload_s, "the body took longer than {:g} s to arrive"),
    ):
        yield


async def _counted(
    stream: AsyncIterator[bytes], take_bytes: Callable[[int], None]
) -> AsyncIterator[bytes]:
    async for chunk in stream:
        take_bytes(len(chunk))
        yield chunk


def _check_headers(headers: Headers, limits: BodyLimits) -> int:
    """The announced bytes of a body; 0 where none are announced.

    Raises:
        UnsupportedMediaTypeError: the body is compressed.
        BodyTooLargeError: more bytes are announced than the limits allow.
    """
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaTypeError("compressed bodies are not supported")
    # Servers accept any number of leading zeros, `int` a few thousand digits.
    announced = headers.get("content-length", "").lstrip("0")
    size = int(announced) if announced.isdecimal() else 0
    if size > limits.max_bytes:
        raise BodyTooLargeError(f"the body exceeds {limits.max_bytes} bytes")
    return size
