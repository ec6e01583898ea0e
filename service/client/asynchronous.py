"""The asynchronous client; the same calls and flows as the blocking one."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sized
from contextlib import aclosing
from functools import partial
from itertools import count
from os import PathLike
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar, Unpack

from service.client import calls, job_calls
from service.client.batches import batches
from service.client.calls import Call
from service.client.errors import ClientError, InvalidInputError
from service.client.exchange import Outcome, segment_batch
from service.client.job_calls import JobOptions
from service.client.job_flows import download, follow
from service.client.methods import method_of
from service.client.packing import JobImages
from service.client.progress import job_bar, progress_bar
from service.client.results import Segmentation
from service.client.transport import AsyncTransport, in_order_async
from service.image_files import ImageLike
from service.schemas import (
    Absent,
    JobResponse,
    LookMode,
    SessionResponse,
    SupportResponse,
    Threshold,
)

P = ParamSpec("P")
T = TypeVar("T")
Opened = TypeVar("Opened", SupportResponse, SessionResponse)
Awaited = Coroutine[Any, Any, T]


def _method(describe: Callable[P, Call[T]]) -> "Callable[Concatenate[AsyncClient, P], Awaited[T]]":
    """A call of `service.client.calls` as a method of the client."""

    @method_of(describe, bound=False)
    async def method(self: "AsyncClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.send(partial(describe, *args, **kwargs))

    return method


def _in_session(
    describe: Callable[Concatenate[str, P], Call[T]],
) -> "Callable[Concatenate[AsyncSession, P], Awaited[T]]":
    """A call as a method of a session, which is its first argument."""

    @method_of(describe, bound=True)
    async def method(self: "AsyncSession", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.client.send(partial(describe, self.id, *args, **kwargs))

    return method


def _creating_session(
    describe: Callable[Concatenate[str | None, P], Call[Opened]],
) -> "Callable[Concatenate[AsyncSession, P], Awaited[Opened]]":
    """A call as a method of a session, which it creates if there is none yet."""

    @method_of(describe, bound=True)
    async def method(self: "AsyncSession", /, *args: P.args, **kwargs: P.kwargs) -> Opened:
        # Concurrent calls wait for the session that the first one creates.
        async with self._creation_lock:
            if self.known_id is None:
                response = await self.client.send(partial(describe, None, *args, **kwargs))
                self.known_id = response.session_id
                return response
        return await self.client.send(partial(describe, self.known_id, *args, **kwargs))

    return method


class AsyncClient(AsyncTransport):
    """As `Client`, to be awaited; closed by `async with` or `close`."""

    ready = _method(calls.ready)
    models = _method(calls.models)
    jobs = _method(job_calls.jobs)

    def session(self, session_id: str | None = None) -> "AsyncSession":
        """A session by its id, or a new one, which begins with its first `register`."""
        return AsyncSession(self, session_id)

    def job(self, job_id: str) -> "AsyncJob":
        """A job by its id."""
        return AsyncJob(self, job_id)


class AsyncSession:
    """As `Session`, to be awaited; see `AsyncClient.session`."""

    def __init__(self, client: AsyncClient, session_id: str | None) -> None:
        self.client = client
        self.known_id = session_id
        self._creation_lock = asyncio.Lock()

    @property
    def id(self) -> str:
        """The session's id, which is all that another client needs.

        Raises:
            InvalidInputError: it has not begun.
        """
        if self.known_id is None:
            raise InvalidInputError("the session has no class yet: register one first")
        return self.known_id

    register = _creating_session(calls.register)
    restore = _creating_session(calls.restore)
    describe = _in_session(calls.describe)
    report = _in_session(calls.report)
    archive = _in_session(calls.archive)
    delete = _in_session(calls.delete)
    delete_class = _in_session(calls.delete_class)
    segment_request = _in_session(calls.segment)

    async def create_job(self, images: JobImages, **options: Unpack[JobOptions]) -> "AsyncJob":
        """Segment images in the background; see `service.client.job_calls.create_job`."""
        describe = partial(job_calls.create_job, self.id, images, **options)
        return AsyncJob(self.client, (await self.client.send(describe)).job_id)

    async def segment(
        self,
        image: ImageLike,
        *,
        classes: Iterable[str] = (),
        threshold: Threshold = None,
        absent: Absent = "keep",
        mode: LookMode = "auto",
    ) -> Segmentation:
        """Find classes in one image; for the arguments see `service.client.calls.segment`."""
        (found,) = await self.segment_request(
            [image],
            classes=calls.texts("classes", classes),
            threshold=threshold,
            absent=absent,
            mode=mode,
        )
        return found

    async def segment_many(
        self,
        images: Iterable[ImageLike],
        *,
        classes: Iterable[str] = (),
        threshold: Threshold = None,
        absent: Absent = "keep",
        mode: LookMode = "auto",
        on_failure: Callable[[ImageLike, ClientError], None] | None = None,
        concurrency: int = 2,
        progress: bool = False,
    ) -> AsyncIterator[tuple[ImageLike, Segmentation]]:
        """Each image and its result, in order; as `Session.segment_many`."""
        describe = partial(
            calls.segment,
            self.id,
            classes=calls.texts("classes", classes),
            threshold=threshold,
            absent=absent,
            mode=mode,
        )
        total = len(images) if isinstance(images, Sized) else None
        positions = count()

        def send(batch: list[ImageLike]) -> Awaited[list[Outcome]]:
            return self.client.perform(segment_batch(batch, describe, self.client.retries))

        async with aclosing(in_order_async(send, batches(images), concurrency)) as responses:
            with progress_bar("segment", total, shown=progress) as advance:
                async for outcomes in responses:
                    for (image, outcome), position in zip(outcomes, positions, strict=False):
                        advance()
                        if isinstance(outcome, Segmentation):
                            yield image, outcome
                        elif on_failure is None:
                            raise outcome.about(image, position)
                        else:
                            on_failure(image, outcome.about(image, position))


def _of_job(
    describe: Callable[Concatenate[str, P], Call[T]],
) -> "Callable[Concatenate[AsyncJob, P], Awaited[T]]":
    """A call as a method of a job, which is its first argument."""

    @method_of(describe, bound=True)
    async def method(self: "AsyncJob", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.client.send(partial(describe, self.id, *args, **kwargs))

    return method


class AsyncJob:
    """As `Job`, to be awaited."""

    def __init__(self, client: AsyncClient, job_id: str) -> None:
        self.client = client
        self.id = job_id

    status = _of_job(job_calls.status)
    cancel = _of_job(job_calls.cancel)
    resume = _of_job(job_calls.resume)
    delete = _of_job(job_calls.delete)

    async def wait(self, *, progress: bool = False) -> JobResponse:
        """Wait until the job has ended; as `Job.wait`."""
        with job_bar(shown=progress) as on_progress:
            await self.client.perform(follow(self.id, self.client.retries, on_progress))
        return await self.status()

    async def results(self, to: str | PathLike[str]) -> Path:
        """Fetch what is done; as `Job.results`."""
        return await self.client.perform(download(self.id, Path(to), self.client.retries))
