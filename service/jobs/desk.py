"""Use cases of jobs: make, look at, end, and take away the results."""

import asyncio
import secrets
import shutil
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import (
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
)
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

from service.errors import (
    InvalidRequestError,
    JobStateError,
)
from service.formats import ExportOptions, LabelledImage, ZipSink, export_dataset
from service.jobs.archives import unpack_images
from service.jobs.folders import Folders
from service.jobs.forms import JobForm
from service.jobs.room import Room
from service.jobs.runner import SNAPSHOT, JobRunner
from service.jobs.store import Job, JobStore
from service.jobs.threads import JobThreads, finished
from service.schemas import FINISHED, FailedImage, ImageResult, JobResponse
from service.sessions import Resources, require_classes
from service.sessions.resources import to_datetime
from service.stores import decode_session, encode_session

_MAX_ERRORS = 100


class Arrival(NamedTuple):
    """A job whose files arrive.

    owner: whose it will be.
    folder: for the files.
    take: takes room for bytes, before they are written.
    require: fails where bytes would find no room.
    write: does so with a piece of a file, in a thread.
    """

    owner: str
    folder: Path
    take: Callable[[int], None]
    require: Callable[[int], None]
    write: Callable[[Callable[[], object]], Awaitable[object]]


class JobDesk:
    """What routes ask about jobs.

    Args:
        store: of the jobs.
        runner: works on them.
        resources: of the use cases.
        folders: on the server, whose images jobs may use.
        room: bounds the jobs and their bytes.
        max_images: most images of one job.
    """

    def __init__(
        self,
        store: JobStore,
        runner: JobRunner,
        resources: Resources,
        folders: Folders,
        room: Room,
        *,
        max_images: int,
    ) -> None:
        self.store = store
        self._runner = runner
        self._resources = resources
        self._folders = folders
        self._room = room
        self._max_images = max_images
        self._threads = JobThreads()

    def start(self) -> None:
        """Begin to work."""
        self._runner.start()

    async def close(self) -> None:
        """Stop between images, and let go of the directory."""
        await self._runner.stop()
        await self._threads.close()
        await asyncio.to_thread(self.store.close)

    @property
    def max_images(self) -> int:
        """Most images of one job."""
        return self._max_images

    @asynccontextmanager
    async def arrival(self, owner: str) -> AsyncIterator[Arrival]:
        """A block in which the files of a job arrive; where it fails they are removed.

        Raises:
            LimitExceededError: the owner has as many jobs or bytes as it may.
            JobStorageError: there is no room for more of anybody.
        """
        async with AsyncExitStack() as stack:
            room = self._room.arrival(owner)
            take = await self._threads.ask(room.__enter__)
            leave = partial(room.__exit__, None, None, None)
            stack.push_async_callback(lambda: asyncio.to_thread(leave))
            # Hexadecimal: an id is an argument of commands, so it must not begin with a dash.
            folder = self.store.folder(secrets.token_hex(24))
            await self._threads.ask(partial(folder.mkdir, parents=True, mode=0o700))
            try:
                require = partial(self._room.require, owner)
                yield Arrival(owner, folder, take, require, self._threads.write)
            except BaseException:
                await asyncio.to_thread(partial(shutil.rmtree, folder, ignore_errors=True))
                raise

    async def create(
        self, form: JobForm, arrival: Arrival, names: Sequence[str], archive: Path | None
    ) -> JobResponse:
        """Make a job of files that arrived, as 0, 1, ..., of a zip and of a folder.

        Raises:
            LimitExceededError, InvalidRequestError, TooManyFilesError, BodyTooLargeError.
            SessionNotFoundError, ClassNotFoundError, EmptySessionError, ModelMismatchError.
        """
        session = await require_classes(self._resources, form, arrival.owner)
        snapshot = await self._resources.pool.run(partial(encode_session, session.content))
        fields = form.model_copy(
            update={"images": [], "archive": [], "session_id": session.session_id}
        )
        add = partial(self._add, fields, arrival, list(names), archive, snapshot)
        job = await self._kept(self._threads.unpack_or_remove(add))
        self._runner.wake()
        return self._response(job)

    async def _kept(self, making: asyncio.Future[Job]) -> Job:
        """The job that a thread makes; deleted again where the request is cancelled meanwhile.

        The thread goes on to its end although the files are removed: its job would have none.
        """
        try:
            return await finished(making)
        except asyncio.CancelledError:
            if not making.exception():
                await asyncio.to_thread(self.store.delete, making.result().job_id)
            raise

    def _add(
        self,
        form: JobForm,
        arrival: Arrival,
        names: list[str],
        archive: Path | None,
        snapshot: bytes,
    ) -> Job:
        folder, sources = arrival.folder, []
        if archive is not None:
            names += unpack_images(
                archive,
                folder,
                first=len(names),
                max_images=self._max_images,
                take=arrival.take,
            )
            archive.unlink()
        if form.folder is not None:
            left = self._max_images - len(names)
            found = self._folders.images(form.folder, max_images=left)
            names += [name for name, _ in found]
            sources = [source for _, source in found]
        if not names:
            raise InvalidRequestError("no images: give some, or an archive or a folder with some")
        arrival.take(len(snapshot))
        (folder / SNAPSHOT).write_bytes(snapshot)
        nbytes = sum(path.stat().st_size for path in folder.iterdir())
        text = form.model_dump_json()
        self.store.create(folder.name, arrival.owner, text, names, nbytes, sources)
        return self.store.get(folder.name, arrival.owner)

    async def list(self, owner: str) -> list[JobResponse]:
        """An owner's jobs."""
        jobs = await self._threads.ask(partial(self.store.of_owner, owner))
        return [self._response(job) for job in jobs]

    async def get(self, job_id: str, owner: str) -> JobResponse:
        """One job, with what failed.

        Raises:
            JobNotFoundError.
        """
        job = await self._threads.ask(partial(self.store.get, job_id, owner))
        find = partial(self.store.images, job_id, "failed", most=_MAX_ERRORS)
        errors = [
            FailedImage(file_name=each.name, code=each.code or "", detail=each.detail or "")
            for each in await self._threads.ask(find)
        ]
        return self._response(job).model_copy(update={"errors": errors})

    def at_work(self, job_id: str) -> bool:
        """Whether an image of the job is being worked on, also where it was cancelled meanwhile."""
        return self._runner.at_work == job_id

    async def cancel(self, job_id: str, owner: str) -> JobResponse:
        """Stop a job after the image it is at; one that has ended stays as it is."""
        await self.get(job_id, owner)
        await self._threads.ask(
            partial(self.store.move, job_id, "cancelled", among=("queued", "running"))
        )
        return await self.get(job_id, owner)

    async def resume(self, job_id: str, owner: str) -> JobResponse:
        """Go on with a job that was cancelled, and try again what failed.

        Raises:
            JobNotFoundError, JobStateError: it is at work.
        """
        job = await self.get(job_id, owner)
        if job.state not in FINISHED:
            raise JobStateError("the job has not ended")
        await self._threads.ask(partial(self.store.retry_failed, job_id))
        await self._threads.ask(partial(self.store.move, job_id, "queued", among=tuple(FINISHED)))
        self._runner.wake()
        return await self.get(job_id, owner)

    async def delete(self, job_id: str, owner: str) -> None:
        """Forget a job, its images and results.

        Raises:
            JobNotFoundError.
        """
        await self.cancel(job_id, owner)
        await self._threads.unpack_or_remove(partial(self.store.delete, job_id))

    async def results(self, job_id: str, owner: str) -> IO[bytes]:
        """A temporary file with the zip of what is done, to be closed.

        Whoever stops waiting for it stops the packing, too.

        Raises:
            JobNotFoundError, JobStateError: it has not ended, or results are missing.
        """
        job = await self._threads.ask(partial(self.store.get, job_id, owner))
        if job.state not in FINISHED:
            raise JobStateError("the job has not ended; wait, or cancel it")
        over = threading.Event()
        try:
            return await self._threads.pack(partial(self._write_results, job, over))
        except FileNotFoundError as exc:
            await self._threads.ask(partial(self.store.get, job_id, owner))  # or deleted meanwhile
            raise JobStateError("results of the job are missing") from exc
        finally:
            over.set()

    def _write_results(self, job: Job, over: threading.Event) -> IO[bytes]:
        form = JobForm.model_validate_json(job.form)
        folder = self.store.folder(job.job_id)
        known = decode_session((folder / SNAPSHOT).read_bytes(), {}).classes
        classes = [name for name in known if not form.classes or name in form.classes]
        with ExitStack() as unless_written:
            target = unless_written.enter_context(tempfile.TemporaryFile(dir=folder))
            with ZipSink(target) as sink:
                options = ExportOptions(form.instances, form.segmentation)
                export_dataset(
                    self._labelled(job, over), classes, form.formats, sink, options, scratch=folder
                )
            unless_written.pop_all()
        target.seek(0)
        return target

    def _labelled(self, job: Job, over: threading.Event) -> Iterator[LabelledImage]:
        """What is done; `InterruptedError` once nobody waits for it any more."""
        folder = self.store.folder(job.job_id)
        for image in self.store.images(job.job_id, "done"):
            if over.is_set():
                raise InterruptedError
            text = (folder / f"{image.number}.json").read_text()
            result = ImageResult.model_validate_json(text)
            yield LabelledImage.from_result(image.name, result)

    @staticmethod
    def _response(job: Job) -> JobResponse:
        finished = job.done + job.failed
        left = job.total - finished
        eta_s = job.seconds / finished * left if finished and job.state not in FINISHED else None
        return JobResponse(
            job_id=job.job_id,
            state=job.state,
            total=job.total,
            done=job.done,
            failed=job.failed,
            created=to_datetime(job.created),
            eta_s=eta_s,
        )
