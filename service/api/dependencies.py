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
    admission: of requests that carry a body.
    body_limits: of one body.
    deadline_s: of one upload, from its first byte to its answer.
    """

    resources: Resources
    admission: Admission
    body_limits: BodyLimits
    deadline_s: float

    @asynccontextmanager
    async def upload(self) -> AsyncIterator[None]:
        """Hold a place among the requests in progress, and end when the deadline passes.

        Raises:
            QueueFullError, DeadlineExceededError.
        """
        with self.admission.admit():
            try:
                async with asyncio.timeout(self.deadline_s):
                    yield
            except TimeoutError as exc:
                raise DeadlineExceededError(
                    f"the request took longer than {self.deadline_s:g} s"
                ) from exc


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


async def read_upload(
    request: Request, limits: BodyLimits, form: type[Form], *, repeated: frozenset[str]
) -> Form:
    """The validated form of a request's body.

    Raises:
        ServiceError: see `read_form` and `validate_form`.
    """
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
