"""The blocking client."""

from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import closing
from functools import partial
from itertools import count
from os import PathLike
from pathlib import Path
from threading import Event, Lock
from typing import Concatenate, ParamSpec, TypeVar, Unpack

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
from service.client.transport import Transport, in_order
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


def _method(describe: Callable[P, Call[T]]) -> "Callable[Concatenate[Client, P], T]":
    """A call of `service.client.calls` as a method of the client."""

    @method_of(describe, bound=False)
    def method(self: "Client", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.send(partial(describe, *args, **kwargs))

    return method


def _in_session(
    describe: Callable[Concatenate[str, P], Call[T]],
) -> "Callable[Concatenate[Session, P], T]":
    """A call as a method of a session, which is its first argument."""

    @method_of(describe, bound=True)
    def method(self: "Session", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.client.send(partial(describe, self.id, *args, **kwargs))

    return method


def _creating_session(
    describe: Callable[Concatenate[str | None, P], Call[Opened]],
) -> "Callable[Concatenate[Session, P], Opened]":
    """A call as a method of a session, which it creates if there is none yet."""

    @method_of(describe, bound=True)
    def method(self: "Session", /, *args: P.args, **kwargs: P.kwargs) -> Opened:
        # Concurrent calls wait for the session that the first one creates.
        with self._creation_lock:
            if self.known_id is None:
                response = self.client.send(partial(describe, None, *args, **kwargs))
                self.known_id = response.session_id
                return response
        return self.client.send(partial(describe, self.known_id, *args, **kwargs))

    return method


class Client(Transport):
    """A client of one service; may be shared by threads, and is closed by `with` or `close`.

    Args:
        url: of the service; None: `FSS_CLIENT_URL`, else http://127.0.0.1:8000.
        key: an API key; None: `FSS_CLIENT_KEY`, else none is shown.
        timeout_s: until a response begins, and between its chunks; creating a job and fetching its
            results, for which the service processes all images, may take hours.
        retries: what to do when the service is busy or cannot be reached.

    Raises:
        InvalidInputError: the address or the key cannot be one.
    """

    ready = _method(calls.ready)
    models = _method(calls.models)
    jobs = _method(job_calls.jobs)

    def session(self, session_id: str | None = None) -> "Session":
        """A session by its id, or a new one, which begins with its first `register`."""
        return Session(self, session_id)

    def job(self, job_id: str) -> "Job":
        """A job by its id."""
        return Job(self, job_id)


class Session:
    """Classes of one session of the service; see `Client.session`.

    known_id: None until the session has begun.
    """

    def __init__(self, client: Client, session_id: str | None) -> None:
        self.client = client
        self.known_id = session_id
        self._creation_lock = Lock()

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

    def create_job(self, images: JobImages, **options: Unpack[JobOptions]) -> "Job":
        """Segment images in the background; see `service.client.job_calls.create_job`."""
        describe = partial(job_calls.create_job, self.id, images, **options)
        return Job(self.client, self.client.send(describe).job_id)

    def segment(
        self,
        image: ImageLike,
        *,
        classes: Iterable[str] = (),
        threshold: Threshold = None,
        absent: Absent = "keep",
        mode: LookMode = "auto",
    ) -> Segmentation:
        """Find classes in one image; for the arguments see `service.client.calls.segment`."""
        (found,) = self.segment_request(
            [image],
            classes=calls.texts("classes", classes),
            threshold=threshold,
            absent=absent,
            mode=mode,
        )
        return found

    def segment_many(
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
    ) -> Iterator[tuple[ImageLike, Segmentation]]:
        """Each image and its result, in order, in requests of up to 16; any number of images.

        Args:
            images: in any form; read as they are needed.
            classes: names; none: all of the session.
            threshold: least probability of a foreground pixel; see
                `service.client.calls.segment`.
            absent: `drop` leaves out the classes that an image does not seem to hold.
            mode: how images are looked at; see `service.client.calls.segment`.
            on_failure: called for an image that cannot be segmented, which is then skipped; None:
                its error is raised. Either names the image: its path, or its position in `images`.
            concurrency: requests at the same time.
            progress: show a bar on standard error.
        """
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

        def send(batch: list[ImageLike], abandoned: Event) -> list[Outcome]:
            flow = segment_batch(batch, describe, self.client.retries)
            return self.client.perform(flow, abandoned)

        with (
            progress_bar("segment", total, shown=progress) as advance,
            closing(in_order(send, batches(images), concurrency)) as responses,
        ):
            for outcomes in responses:
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
) -> "Callable[Concatenate[Job, P], T]":
    """A call as a method of a job, which is its first argument."""

    @method_of(describe, bound=True)
    def method(self: "Job", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.client.send(partial(describe, self.id, *args, **kwargs))

    return method


class Job:
    """Images that are segmented in the background; see `Session.create_job` and `Client.job`."""

    def __init__(self, client: Client, job_id: str) -> None:
        self.client = client
        self.id = job_id

    status = _of_job(job_calls.status)
    cancel = _of_job(job_calls.cancel)
    resume = _of_job(job_calls.resume)
    delete = _of_job(job_calls.delete)

    def wait(self, *, progress: bool = False) -> JobResponse:
        """Wait until the job has ended, through breaks of the connection; how it stands then.

        Args:
            progress: show a bar on standard error.
        """
        with job_bar(shown=progress) as on_progress:
            self.client.perform(follow(self.id, self.client.retries, on_progress))
        return self.status()

    def results(self, to: str | PathLike[str]) -> Path:
        """Fetch what is done: as a file if `to` ends in .zip, else into a folder of that name."""
        return self.client.perform(download(self.id, Path(to), self.client.retries))
