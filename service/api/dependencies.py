"""What routes are given: the use cases' resources and validated forms."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from service.api.forms import SESSION_HEADER, Form, validate_form
from service.api.multipart import BodyLimits, read_form
from service.engine import Admission
from service.errors import BodyTooLargeError, DeadlineExceededError, UnsupportedMediaTypeError
from service.sessions import Resources


@dataclass(frozen=True)
class ApiContext:
    """What the application hands its routes.

    resources: for the use cases.
    admission: of requests whose body has arrived.
    body_limits: of one body.
    upload_s: for one body to arrive.
    deadline_s: of one request, from the end of its body to its answer.
    """

    resources: Resources
    admission: Admission
    body_limits: BodyLimits
    upload_s: float
    deadline_s: float

    @asynccontextmanager
    async def upload(
        self, request: Request, form: type[Form], *, repeated: frozenset[str] = frozenset()
    ) -> AsyncIterator[Form]:
        """The form of a request; the block holds a place among the requests in progress.

        The place is taken once the body is there: a client that stalls takes none from others.

        Raises:
            QueueFullError, DeadlineExceededError, ServiceError: see `read_form`, `validate_form`.
        """
        async with _within(self.upload_s, "the body took longer than {:g} s to arrive"):
            upload = await _read_upload(request, self.body_limits, form, repeated=repeated)
        with self.admission.admit():
            async with _within(self.deadline_s, "the request took longer than {:g} s"):
                yield upload


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


Context = Annotated[ApiContext, Depends(api_context)]
UseCaseResources = Annotated[Resources, Depends(resources)]


async def _read_upload(
    request: Request, limits: BodyLimits, form: type[Form], *, repeated: frozenset[str]
) -> Form:
    headers = request.headers
    if headers.get("content-encoding", "identity") != "identity":
        raise UnsupportedMediaTypeError("compressed bodies are not supported")
    announced = headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limits.max_bytes:
        raise BodyTooLargeError(f"the body exceeds {limits.max_bytes} bytes")
    fields = await read_form(request.stream(), headers.get("content-type", ""), limits)
    return validate_form(
        form, fields, session_header=headers.get(SESSION_HEADER), repeated=repeated
    )
