"""Use cases of jobs: create, inspect, end, and download the results."""

import asyncio
import hashlib
import json
import secrets
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

from service.errors import InvalidRequestError, JobStateError
from service.formats import ExportOptions, LabelledImage, ZipSink, export_dataset
from service.jobs.archives import unpack_images
from service.jobs.folders import Folders
from service.jobs.forms import JobForm
from service.jobs.quota import JobQuota
from service.jobs.runner import SNAPSHOT, JobRunner
from service.jobs.store import Job, JobStore
from service.jobs.threads import JobThreads, result_of
from service.schemas import FINISHED, FailedImage, ImageResult, JobResponse
from service.sessions import Resources, require_classes
from service.sessions.resources import to_datetime
from service.stores import IdempotencyToken, decode_session, encode_session

_MAX_ERRORS = 100


class Arrival(NamedTuple):
    """A job whose files arrive.

    owner: whose it will be.
    folder: for the files.
    take: reserves bytes of the quota, before they are written.
    require: fails where so many bytes would exceed the quota.
    write: runs a call that writes a chunk of a file, in a thread.
    """

    owner: str
    folder: Path
    take: Callable[[int], None]
    require: Callable[[int], None]
    write: Callable[[Callable[[], object]], Awaitable[object]]


class JobDesk:
    """The use cases of jobs, for the routes.

    Args:
        store: of the jobs.
        runner: works on them.
        resources: of the use cases.
        folders: on the server, whose images jobs may use.
        quota: bounds the jobs and their bytes.
        max_images: of one job.
    """

    def __init__(
        self,
        store: JobStore,
        runner: JobRunner,
        resources: Resources,
        folders: Folders,
        quota: JobQuota,
        *,
        max_images: int,
    ) -> None:
        self.store = store
        self._runner = runner
        self._resources = resources
        self._folders = folders
        self._quota = quota
        self._max_images = max_images
        self._threads = JobThreads()

    def start(self) -> None:
        """Start the runner."""
        self._runner.start()

    async def close(self) -> None:
        """Stop now, as `JobRunner.stop` does, and close the store."""
        await self._runner.stop()
        await self._threads.close()
        await asyncio.to_thread(self.store.close)

    @property
    def max_images(self) -> int:
        """Maximum number of images of one job."""
        return self._max_images

    @asynccontextmanager
    async def arrival(
        self, owner: str, idempotency_key: str | None = None
    ) -> AsyncIterator[Arrival]:
        """A block in which the files of a job arrive; they are removed if it fails.

        Args:
            owner: whose the job will be.
            idempotency_key: of its request; where a job of it is there, one more is no other job.

        Raises:
            LimitExceededError: the owner has as many jobs or bytes as it may.
            JobStorageError: the quota of all owners together is used up.
        """
        async with AsyncExitStack() as stack:
            repeated = idempotency_key is not None and await self._threads.query(
                partial(self.store.knows_key, owner, idempotency_key)
            )
            arrival = self._quota.arrival(owner, repeated=repeated)
            take = await self._threads.query(arrival.__enter__)
            leave = partial(arrival.__exit__, None, None, None)
            stack.push_async_callback(lambda: asyncio.to_thread(leave))
            # Hexadecimal: an id is an argument of commands, so it must not begin with a dash.
            folder = self.store.folder(secrets.token_hex(24))
            try:
                make = partial(folder.mkdir, parents=True, mode=0o700)
                await result_of(self._threads.query(make))  # so that it does not come too late
                require = partial(self._quota.require, owner)
                yield Arrival(owner, folder, take, require, self._threads.write)
            except BaseException:
                await asyncio.to_thread(self._remove_files, folder)
                raise

    def _remove_files(self, folder: Path) -> None:
        """Remove files that arrived, unless a job has them."""
        if not self.store.has(folder.name):
            shutil.rmtree(folder, ignore_errors=True)

    async def create(
        self,
        form: JobForm,
        arrival: Arrival,
        names: Sequence[str],
        archive: Path | None,
        idempotency_key: str | None,
    ) -> JobResponse:
        """Make a job of files that arrived, as 0, 1, ..., of a zip and of a folder.

        Raises:
            LimitExceededError, InvalidRequestError, TooManyFilesError, BodyTooLargeError.
            SessionNotFoundError, ClassNotFoundError, EmptySessionError, ModelMismatchError.
            IdempotencyKeyReusedError.
        """
        once = None
        if idempotency_key is not None:
            files = [arrival.folder / str(number) for number in range(len(names))]
            files += [] if archive is None else [archive]
            read = partial(_fingerprint, form, names, files)
            fingerprint = await result_of(self._threads.unpack_or_remove(read))
            once = IdempotencyToken(idempotency_key, fingerprint)
            find = partial(self.store.find_done, arrival.owner, once)
            if (done := await self._threads.query(find)) is not None:
                await asyncio.to_thread(partial(shutil.rmtree, arrival.folder, ignore_errors=True))
                return self._response(done)
        session = await require_classes(self._resources, form, arrival.owner)
        snapshot = await self._resources.pool.run(partial(encode_session, session.content))
        fields = form.model_copy(
            update={"images": [], "archive": [], "session_id": session.session_id}
        )
        add = partial(self._add, fields, arrival, list(names), archive, snapshot, once)
        making = self._threads.unpack_or_remove(add)
        try:
            job = await (self._created(making) if once is None else result_of(making))
        finally:
            self._runner.wake()
        return self._response(job)

    async def _created(self, making: asyncio.Future[Job]) -> Job:
        """The job that a thread creates; deleted again if the request is cancelled meanwhile.

        The thread cannot be stopped, and nobody would know the job. One that has a key is found by
        the request that comes again.
        """
        try:
            return await result_of(making)
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
        once: IdempotencyToken | None,
    ) -> Job:
        folder, sources = arrival.folder, []
        if archive is not None:
            first, most = len(names), self._max_images
            names += unpack_images(archive, folder, first=first, max_images=most, take=arrival.take)
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
        try:
            self.store.create(folder.name, arrival.owner, text, names, nbytes, sources, once)
        except sqlite3.IntegrityError as exc:
            # The same request came twice at the same time, and the other was first.
            done = None if once is None else self.store.find_done(arrival.owner, once)
            if done is None:
                raise JobStateError("the job of this key was deleted meanwhile") from exc
            shutil.rmtree(folder, ignore_errors=True)
            return done
        return self.store.get(folder.name, arrival.owner)

    async def list(self, owner: str) -> list[JobResponse]:
        """An owner's jobs."""
        jobs = await self._threads.query(partial(self.store.of_owner, owner))
        return [self._response(job) for job in jobs]

    async def get(self, job_id: str, owner: str) -> JobResponse:
        """One job, with what failed.

        Raises:
            JobNotFoundError.
        """
        job = await self._threads.query(partial(self.store.get, job_id, owner))
        find = partial(self.store.images, job_id, "failed", limit=_MAX_ERRORS)
        errors = [
            FailedImage(file_name=each.name, code=each.code or "", detail=each.detail or "")
            for each in await self._threads.query(find)
        ]
        return self._response(job).model_copy(update={"errors": errors})

    def at_work(self, job_id: str) -> bool:
        """Whether an image of the job is in progress, also if the job was cancelled meanwhile."""
        return self._runner.at_work == job_id

    async def cancel(self, job_id: str, owner: str) -> JobResponse:
        """Stop a job after its current image; one that has ended stays as it is."""
        await self.get(job_id, owner)
        await self._threads.query(
            partial(self.store.move, job_id, "cancelled", among=("queued", "running"))
        )
        return await self.get(job_id, owner)

    async def resume(self, job_id: str, owner: str) -> JobResponse:
        """Continue a cancelled job, and retry its failed images.

        Raises:
            JobNotFoundError, JobStateError: it has not ended.
        """
        await self.get(job_id, owner)
        if not await self._threads.query(partial(self.store.resume, job_id)):
            raise JobStateError("the job has not ended")
        try:
            return await self.get(job_id, owner)  # as it is before the runner takes it
        finally:
            self._runner.wake()

    async def delete(self, job_id: str, owner: str) -> None:
        """Forget a job, its images and results.

        Raises:
            JobNotFoundError.
        """
        await self.cancel(job_id, owner)
        await self._threads.unpack_or_remove(partial(self.store.delete, job_id))

    async def results(self, job_id: str, owner: str) -> IO[bytes]:
        """A temporary file with a zip of the results so far, which the caller closes.

        Cancelling the call stops the packing, too.

        Raises:
            JobNotFoundError, JobStateError: it has not ended, or results are missing.
        """
        job = await self._threads.query(partial(self.store.get, job_id, owner))
        if job.state not in FINISHED:
            raise JobStateError("the job has not ended; wait, or cancel it")
        cancelled = threading.Event()
        try:
            return await self._threads.pack(partial(self._write_results, job, cancelled))
        except FileNotFoundError as exc:
            # It may have been deleted meanwhile.
            await self._threads.query(partial(self.store.get, job_id, owner))
            raise JobStateError("results of the job are missing") from exc
        finally:
            cancelled.set()

    def _write_results(self, job: Job, cancelled: threading.Event) -> IO[bytes]:
        form = JobForm.model_validate_json(job.form)
        folder = self.store.folder(job.job_id)
        known = decode_session((folder / SNAPSHOT).read_bytes(), {}).classes
        classes = [name for name in known if not form.classes or name in form.classes]
        with ExitStack() as cleanup:
            target = cleanup.enter_context(tempfile.TemporaryFile(dir=folder))
            with ZipSink(target) as sink:
                options = ExportOptions(form.instances, form.segmentation)
                export_dataset(
                    self._labelled(job, cancelled),
                    classes,
                    form.formats,
                    sink,
                    options,
                    scratch=folder,
                )
            cleanup.pop_all()
        target.seek(0)
        return target

    def _labelled(self, job: Job, cancelled: threading.Event) -> Iterator[LabelledImage]:
        """The images done; raises `InterruptedError` once the request is cancelled."""
        folder = self.store.folder(job.job_id)
        for image in self.store.images(job.job_id, "done"):
            if cancelled.is_set():
                raise InterruptedError
            text = (folder / f"{image.number}.json").read_text(encoding="utf-8")
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


def _fingerprint(form: JobForm, names: Sequence[str], files: Sequence[Path]) -> str:
    """A digest of fields, names and files, which does not depend on the multipart boundary."""
    fields = form.model_dump_json(exclude={"images", "archive"})
    digest = hashlib.sha256(json.dumps([fields, *names]).encode())
    for path in files:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
