"""What routes are given: the use cases' resources and validated forms."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Request
from starlette.datastructures import Headers

from service.api.files import read_file
from service.api.forms import SESSION_HEADER, Form, validate_form
from service.api.multipart import BodyLimits, read_form
from service.engine import Admission
from service.errors import BodyTooLargeError, DeadlineExceededError, UnsupportedMediaTypeError
from service.sessions import Resources
from service.stores import SessionKey


@dataclass(frozen=True)
class ApiContext:
    """What the application hands its routes.

    resources: for the use cases.
    admission: of requests whose body has arrived.
    body_bytes: of all bodies that arrive or are worked on.
    body_limits: of one body.
    upload_s: for one body to arrive.
    deadline_s: of one request, from the end of its body to its answer.
    """

    resources: Resources
    admission: Admission
    body_bytes: Admission
    body_limits: BodyLimits
    upload_s: float
    deadline_s: float

    @asynccontextmanager
    async def upload(
        self, request: Request, form: type[Form], *, repeated: frozenset[str] = frozenset()
    ) -> AsyncIterator[Form]:
        """The form of a request; the block holds a place among the requests in progress.

        The place is taken once the body is there: a client that stalls takes none from others.
        Bytes are counted as they arrive: announcing a large body keeps nobody out.

        Raises:
            QueueFullError, DeadlineExceededError, ServiceError: see `read_form`, `validate_form`.
        """
        async with self._arriving(request) as body:
            async with _within(self.upload_s, _TOO_SLOW):
                content_type = request.headers.get("content-type", "")
                fields = await read_form(body, content_type, self.body_limits)
            session_header = request.headers.get(SESSION_HEADER)
            upload = validate_form(form, fields, session_header=session_header, repeated=repeated)
            del fields  # the form alone holds the files, and its reader empties it
            async with self.work():
                yield upload

    @asynccontextmanager
    async def upload_file(self, request: Request, media_type: str) -> AsyncIterator[bytes]:
        """A body that is one file; otherwise as `upload`.

        Raises:
            QueueFullError, DeadlineExceededError, UnsupportedMediaTypeError, BodyTooLargeError.
        """
        async with self._arriving(request) as body:
            async with _within(self.upload_s, _TOO_SLOW):
                content_type = request.headers.get("content-type", "")
                file = await read_file(body, content_type, media_type, self.body_limits.max_bytes)
            async with self.work():
                yield file

    @asynccontextmanager
    async def work(self) -> AsyncIterator[None]:
        """A block that holds a place among the requests in progress, and ends at the deadline.

        Raises:
            QueueFullError, DeadlineExceededError.
        """
        with self.admission.admit():
            async with _within(self.deadline_s, "the request took longer than {:g} s"):
                yield

    @asynccontextmanager
    async def _arriving(self, request: Request) -> AsyncIterator[AsyncIterator[bytes]]:
        with self.body_bytes.admit(0) as take_bytes:
            _check_headers(request.headers, self.body_limits)
            yield _counted(request.stream(), take_bytes)


_TOO_SLOW = "the body took longer than {:g} s to arrive"


async def _counted(
    stream: AsyncIterator[bytes], take_bytes: Callable[[int], None]
) -> AsyncIterator[bytes]:
    async for chunk in stream:
        take_bytes(len(chunk))
        yield chunk


@asynccontextmanager
async def _within(seconds: float, message: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as exc:
        raise DeadlineExceededError(message.format(seconds)) from exc


def api_context(request: Request) -> ApiContext:
    """The context of the application that serves the request."""
    context = request.app.state.context
    if not isinstance(context, ApiContext):
        raise TypeError("the application has no context")
    return context


def resources(context: Annotated[ApiContext, Depends(api_context)]) -> Resources:
    """The resources of the use cases."""
    return context.resources


def owner() -> str:
    """Who asks, as sessions know it; nobody is told apart."""
    return ""


def session_key(session_id: str, asking: "Owner") -> SessionKey:
    """The session of the path, if it belongs to who asks."""
    return SessionKey(asking, session_id)


def movable_session_key(session_id: "MovableId", asking: "Owner") -> SessionKey:
    """The session of the path, which may not be there yet."""
    return SessionKey(asking, session_id)


# As the service itself makes them (`secrets.token_urlsafe`), so that none can be guessed.
MovableId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{32}$")]
Owner = Annotated[str, Depends(owner)]
PathKey = Annotated[SessionKey, Depends(session_key)]
MovableKey = Annotated[SessionKey, Depends(movable_session_key)]
Context = Annotated[ApiContext, Depends(api_context)]
UseCaseResources = Annotated[Resources, Depends(resources)]


def _check_headers(headers: Headers, limits: BodyLimits) -> None:
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaTypeError("compressed bodies are not supported")
    announced = headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limits.max_bytes:
        raise BodyTooLargeError(f"the body exceeds {limits.max_bytes} bytes")
