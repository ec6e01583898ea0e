"""How a body arrives, and how its request takes a place for as long as its client waits."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from fastapi import Request
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect

from service.access import Access
from service.api.drain import Drain
from service.api.files import read_file
from service.api.forms import Form, validate_form
from service.api.interruption import disconnected, unless
from service.api.multipart import BodyLimits, read_form
from service.api.spooling import SpooledForm, spool_form
from service.api.stall_timeout import with_stall_timeout
from service.engine import Admission
from service.errors import (
    BodyTooLargeError,
    DeadlineExceededError,
    JobsDisabledError,
    QueueFullError,
    UnsupportedMediaTypeError,
)
from service.jobs import Arrival, JobDesk
from service.schemas import SESSION_HEADER
from service.sessions import Resources


@dataclass(frozen=True)
class ApiContext:
    """What the application hands its routes.

    resources: what the use cases work with.
    admission: bounds the requests in progress, once their bodies have arrived.
    body_bytes: bounds the bytes of all bodies that arrive or are worked on.
    body_limits: of one body.
    max_archive_bytes: of a body that is the archive of a session.
    upload_s: longest time in which one body may arrive.
    deadline_s: longest time of a request, from the end of its body to its answer.
    max_wait_s: longest time that a request may expect to wait for those before it.
    access: who may ask, and how much.
    drain: tells when the service is about to end.
    jobs: segments images in the background; an error where that is not possible.
    jobs_max_bytes: largest body that makes a job.
    jobs_stall_s: longest time without progress in the arrival of such a body.
    """

    resources: Resources
    admission: Admission
    body_bytes: Admission
    body_limits: BodyLimits
    max_archive_bytes: int
    upload_s: float
    deadline_s: float
    max_wait_s: float
    access: Access
    drain: Drain
    jobs: JobDesk | JobsDisabledError
    jobs_max_bytes: int
    jobs_stall_s: float

    @asynccontextmanager
    async def upload(
        self, request: Request, form: type[Form], *, repeated: frozenset[str] = frozenset()
    ) -> AsyncIterator[Form]:
        """The form of a request; the block holds a place among the requests in progress.

        The place is taken once the body is there: a client that stalls takes none from others.
        Bytes are counted as they arrive: announcing a large body keeps nobody out.
        The block ends when the client goes: nobody is left to work for.

        Raises:
            QueueFullError, TooManyRequestsError, DeadlineExceededError.
            ServiceError: see `read_form`, `validate_form`.
            NotReadyError: the service began to stop before the body was there.
            ClientDisconnect.
        """
        async with self._arriving(request, self.body_limits) as body:
            content_type = request.headers.get("content-type", "")
            async with self._whole_body():
                fields = await read_form(body, content_type, self.body_limits)
            session_header = request.headers.get(SESSION_HEADER)
            upload = validate_form(form, fields, session_header=session_header, repeated=repeated)
            del fields  # the form alone holds the files, and its reader empties it
            async with self.work(request):
                yield upload

    @asynccontextmanager
    async def upload_file(
        self, request: Request, media_type: str, *, max_bytes: int | None = None
    ) -> AsyncIterator[bytes]:
        """A body that is one file, of the usual limit unless told; otherwise as `upload`.

        Raises:
            QueueFullError, DeadlineExceededError, UnsupportedMediaTypeError, BodyTooLargeError,
            NotReadyError, ClientDisconnect.
        """
        limits = self.body_limits._replace(max_bytes=max_bytes or self.body_limits.max_bytes)
        async with self._arriving(request, limits) as body:
            content_type = request.headers.get("content-type", "")
            async with self._whole_body():
                file = await read_file(body, content_type, media_type, limits.max_bytes)
            async with self.work(request):
                yield file

    @asynccontextmanager
    async def spooled(self, request: Request, arrival: Arrival) -> AsyncIterator[SpooledForm]:
        """The form of a job, its files on disk; takes no place of other requests.

        Raises:
            DeadlineExceededError: the body stalls; it may take as long as it moves on.
            LimitExceededError, NotReadyError, ServiceError: see `read_form`.
        """
        limits = BodyLimits(self.jobs_max_bytes, self.require_jobs().max_images)
        arrival.require(_check_headers(request.headers, limits))
        content_type = request.headers.get("content-type", "")
        body = _counted(with_stall_timeout(request.stream(), self.jobs_stall_s), arrival.take)
        async with unless(self.drain.wait, self.drain.refusal):
            yield await spool_form(body, content_type, limits, arrival)

    def require_jobs(self) -> JobDesk:
        """The desk of jobs.

        Raises:
            JobsDisabledError.
        """
        if isinstance(self.jobs, JobsDisabledError):
            raise JobsDisabledError(self.jobs.detail)
        return self.jobs

    @asynccontextmanager
    async def work(self, request: Request) -> AsyncIterator[None]:
        """A block that holds a place among the requests in progress.

        It ends at the deadline, or as soon as the client has gone; the body must be read before.

        Raises:
            QueueFullError, DeadlineExceededError, ClientDisconnect.
        """
        self.require_room()
        with self.admission.admit():
            async with (
                unless(partial(disconnected, request.receive), ClientDisconnect),
                _within(self.deadline_s, "the request took longer than {:g} s"),
            ):
                yield

    @asynccontextmanager
    async def _arriving(
        self, request: Request, limits: BodyLimits
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        own_bytes = self.access.upload_bytes.hold(request.state.client.name, 0)
        with self.body_bytes.admit(0) as take_bytes, own_bytes as take_own:
            _check_headers(request.headers, limits)
            yield _counted(_counted(request.stream(), take_own), take_bytes)

    def require_room(self) -> None:
        """Fail where a request that came now would have no place, or would wait too long.

        Raises:
            QueueFullError.
        """
        self.admission.require_room()
        wait_s = self.resources.models.default.wait_s(self.admission.inside)
        if wait_s > self.max_wait_s:
            raise QueueFullError(
                f"a request would wait for {wait_s:.1f} s, more than {self.max_wait_s:g} s",
                retry_after_s=math.ceil(wait_s / 2),
            )

    @asynccontextmanager
    async def _whole_body(self) -> AsyncIterator[None]:
        """A block in which a body arrives in time, and before the service begins to stop."""
        async with (
            unless(self.drain.wait, self.drain.refusal),
            _within(self.upload_s, "the body took longer than {:g} s to arrive"),
        ):
            yield


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


def _check_headers(headers: Headers, limits: BodyLimits) -> int:
    """The bytes that a body is announced to have; 0 where it is not."""
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaTypeError("compressed bodies are not supported")
    announced = headers.get("content-length", "").lstrip("0")  # of which servers take any number
    size = int(announced) if announced.isdecimal() else 0
    if size > limits.max_bytes:
        raise BodyTooLargeError(f"the body exceeds {limits.max_bytes} bytes")
    return size
