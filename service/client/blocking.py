"""The blocking client."""

from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import closing
from functools import partial
from itertools import count
from os import PathLike
from pathlib import Path
from threading import Event, Lock
from typing import TypeVar, Unpack

from service.client import calls, job_calls
from service.client.batches import batches
from service.client.calls import Call
from service.client.errors import ClientError, InvalidInputError
from service.client.exchange import Outcome, segment_batch
from service.client.job_calls import JobOptions
from service.client.job_flows import download, follow
from service.client.packing import JobImages
from service.client.results import Segmentation
from service.client.retries import Contact
from service.client.transport import Transport, in_order
from service.image_files import ImageLike, MaskLike
from service.progress import job_bar, progress_bar
from service.schemas import (
    MAX_FILES,
    Absent,
    Adapt,
    JobResponse,
    LookMode,
    ModelSummary,
    RegisterMode,
    ReportCard,
    SessionResponse,
    StatusResponse,
    SupportResponse,
    Threshold,
)

Begun = TypeVar("Begun", SupportResponse, SessionResponse)


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

    def ready(self) -> StatusResponse:
        """Succeeds once the service can work; fails with `NotReadyError` while it loads."""
        return self.send(calls.ready)

    def models(self) -> list[ModelSummary]:
        """The networks the service runs."""
        return self.send(calls.models)

    def jobs(self) -> list[JobResponse]:
        """One's own jobs, newest first."""
        return self.send(job_calls.jobs)

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

    def register(
        self,
        class_name: str,
        images: ImageLike | Sequence[ImageLike],
        masks: MaskLike | Sequence[MaskLike],
        *,
        mode: RegisterMode = "append",
        adapt: Adapt = "auto",
        report: bool = True,
        model: str | None = None,
    ) -> SupportResponse:
        """Define a class by 1 to 16 images and a mask for each, or add shots to one that is there.

        Args:
            class_name: at most 64 characters.
            images: one, or several.
            masks: as many, each as large as its image, nonzero on the object.
            mode: add to the shots the class has, or replace them.
            adapt: fit the head to these shots, which helps where images are unlike photographs;
                `auto`: where it is seen to help.
            report: have the shots judged by each other, which takes a while.
            model: for a new session, a name or name@revision of `models`; None: the default.
        """
        return self._begin(
            lambda known: calls.register(
                known, class_name, images, masks, mode=mode, adapt=adapt, report=report, model=model
            )
        )

    def restore(self, archive: bytes) -> SessionResponse:
        """Make the session of an archive, or let the archive take the place of what it holds."""
        return self._begin(lambda known: calls.restore(known, archive))

    def _begin(self, describe: Callable[[str | None], Call[Begun]]) -> Begun:
        """Send a call that creates the session if there is none yet."""
        # Concurrent calls wait for the session that the first one creates.
        with self._creation_lock:
            if self.known_id is None:
                response = self.client.send(partial(describe, None))
                self.known_id = response.session_id
                return response
        return self.client.send(partial(describe, self.known_id))

    def describe(self) -> SessionResponse:
        """What the session holds."""
        return self.client.send(partial(calls.describe, self.id))

    def report(self, class_name: str) -> ReportCard:
        """What the shots of a class say of each other, and a threshold calibrated on them."""
        return self.client.send(partial(calls.report, self.id, class_name))

    def archive(self) -> bytes:
        """The session as one file, for `restore` at any service that runs the same model."""
        return self.client.send(partial(calls.archive, self.id))

    def delete(self) -> None:
        """Forget the session."""
        return self.client.send(partial(calls.delete, self.id))

    def delete_class(self, class_name: str) -> None:
        """Forget a class of the session."""
        return self.client.send(partial(calls.delete_class, self.id, class_name))

    def segment_request(
        self,
        images: Sequence[ImageLike],
        *,
        classes: Sequence[str] = (),
        threshold: Threshold = None,
        absent: Absent = "keep",
        mode: LookMode = "auto",
    ) -> list[Segmentation]:
        """Find classes in 1 to 16 images.

        Args:
            images: in any form.
            classes: names; none: all of the session.
            threshold: least probability of a foreground pixel; `calibrated`: that of each class's
                report; `model`: the model's own; None: `calibrated`, unless the operator set
                another.
            absent: `drop` leaves out the classes that an image does not seem to hold.
            mode: `whole` looks at an image once, `tiled` at its parts too, which takes longer and
                finds small objects; `auto` looks again at what it marked small, and chooses tiles.
        """
        describe = partial(
            calls.segment,
            self.id,
            images,
            classes=classes,
            threshold=threshold,
            absent=absent,
            mode=mode,
        )
        return self.client.send(describe)

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
        batch: int = MAX_FILES,
        concurrency: int = 2,
        progress: bool = False,
    ) -> Iterator[tuple[ImageLike, Segmentation]]:
        """Each image and its result, in order, in requests of up to 16; any number of images.

        Images are taken ahead of results: for a camera that waits for each result, see `segment`.

        Args:
            images: in any form; read as they are needed.
            classes: names; none: all of the session.
            threshold: least probability of a foreground pixel; see
                `service.client.calls.segment`.
            absent: `drop` leaves out the classes that an image does not seem to hold.
            mode: how images are looked at; see `service.client.calls.segment`.
            on_failure: called for an image that cannot be segmented, which is then skipped; None:
                its error is raised. Either names the image: its path, or its position in `images`.
            batch: images in a request, at most.
            concurrency: requests at the same time; the next one is prepared meanwhile, unless it is
                1: then the images of one request are taken once the results of the last were.
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
        contact = Contact()

        def send(several: list[ImageLike], abandoned: Event) -> list[Outcome]:
            flow = segment_batch(several, describe, self.client.retries, contact)
            return self.client.perform(flow, abandoned)

        with (
            progress_bar("segment", total, shown=progress) as advance,
            closing(in_order(send, batches(images, batch), concurrency)) as responses,
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


class Job:
    """Images that are segmented in the background; see `Session.create_job` and `Client.job`."""

    def __init__(self, client: Client, job_id: str) -> None:
        self.client = client
        self.id = job_id

    def status(self) -> JobResponse:
        """How far the job is, and what failed."""
        return self.client.send(partial(job_calls.status, self.id))

    def cancel(self) -> JobResponse:
        """Stop the job after the image at work; what is done stays."""
        return self.client.send(partial(job_calls.cancel, self.id))

    def resume(self) -> JobResponse:
        """Go on with a job that was cancelled, and try again what failed."""
        return self.client.send(partial(job_calls.resume, self.id))

    def delete(self) -> None:
        """Forget the job, its images and results."""
        return self.client.send(partial(job_calls.delete, self.id))

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
