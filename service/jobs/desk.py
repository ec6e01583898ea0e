"""Use cases of existing jobs: inspect, end, and download the results."""

import asyncio
import threading
from functools import partial
from typing import IO

from service.errors import JobStateError
from service.jobs.arrivals import Arrivals
from service.jobs.creation import JobCreator
from service.jobs.job import Job
from service.jobs.results import write_results
from service.jobs.runner import JobRunner
from service.jobs.storage_errors import disk_errors
from service.jobs.store import JobStore
from service.jobs.threads import JobThreads
from service.schemas import FINISHED, FailedImage, JobResponse, to_datetime

_MAX_ERRORS = 100


class JobDesk:
    """The use cases of jobs, for the routes; all raise `JobStorageError` where the database fails.

    Args:
        store: of the jobs.
        runner: works on them.
        arrivals: of the files of new ones.
        creator: makes them.
        threads: that all of them work in; closed with the desk.
    """

    def __init__(
        self,
        store: JobStore,
        runner: JobRunner,
        arrivals: Arrivals,
        creator: JobCreator,
        threads: JobThreads,
    ) -> None:
        self._store = store
        self.arrivals = arrivals
        self.creator = creator
        self._runner = runner
        self._threads = threads

    def start(self) -> None:
        """Start the runner."""
        self._runner.start()

    async def close(self) -> None:
        """Stop now, as `JobRunner.stop` and `Arrivals.close` do, and close the store."""
        await self._runner.stop()
        await self.arrivals.close()
        await self._threads.close()
        await asyncio.to_thread(self._store.close)

    async def list(self, owner: str) -> list[JobResponse]:
        """An owner's jobs."""
        jobs = await self._threads.query(partial(self._store.of_owner, owner))
        return [self.response(job) for job in jobs]

    async def get(self, job_id: str, owner: str) -> JobResponse:
        """One job, with what failed.

        Raises:
            JobNotFoundError.
        """
        job = await self._threads.query(partial(self._store.get, job_id, owner))
        find = partial(self._store.images, job_id, "failed", limit=_MAX_ERRORS)
        errors = [
            FailedImage(file_name=each.name, code=each.code or "", detail=each.detail or "")
            for each in await self._threads.query(find)
        ]
        return self.response(job).model_copy(update={"errors": errors})

    def at_work(self, job_id: str) -> bool:
        """Whether an image of the job is in progress, also if the job was cancelled meanwhile."""
        return self._runner.at_work == job_id

    async def cancel(self, job_id: str, owner: str) -> JobResponse:
        """Stop a job after its current image; one that has ended stays as it is."""
        await self.get(job_id, owner)
        await self._threads.query(
            partial(self._store.move, job_id, "cancelled", among=("queued", "running"))
        )
        return await self.get(job_id, owner)

    async def resume(self, job_id: str, owner: str) -> JobResponse:
        """Continue a cancelled job, and retry its failed images.

        Raises:
            JobNotFoundError, JobStateError: it has not ended.
        """
        await self.get(job_id, owner)
        if not await self._threads.query(partial(self._store.resume, job_id)):
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
        await self._threads.remove(partial(self._store.delete, job_id))

    async def results(self, job_id: str, owner: str, client: str) -> IO[bytes]:
        """A temporary file with a zip of the results so far, which the caller closes.

        Cancelling the call stops the packing, too.

        Args:
            job_id: of the job.
            owner: whose it is.
            client: that asks; its results are packed one after another.

        Raises:
            JobNotFoundError, JobStateError: it has not ended, or results are missing.
            JobStorageError: there is no room for the zip.
        """
        find = partial(self._store.get, job_id, owner)
        job = await self._threads.query(find)
        if job.state not in FINISHED:
            raise JobStateError("the job has not ended; wait, or cancel it")
        cancelled = threading.Event()
        pack = partial(write_results, self._store, job, cancelled)
        with disk_errors():
            try:
                return await self._threads.pack(client, pack)
            except FileNotFoundError as exc:
                await self._threads.query(find)  # it may have been deleted meanwhile
                raise JobStateError("results of the job are missing") from exc
            finally:
                cancelled.set()

    def response(self, job: Job) -> JobResponse:
        """A job as it stands, without what failed."""
        finished = job.done + job.failed
        left = job.total - finished
        still = None if job.state in FINISHED else self._runner.stands_still_since
        moves = job.state not in FINISHED and still is None
        return JobResponse(
            job_id=job.job_id,
            state=job.state,
            total=job.total,
            done=job.done,
            failed=job.failed,
            created=to_datetime(job.created),
            eta_s=job.seconds / finished * left if finished and moves else None,
            stands_still_since=None if still is None else to_datetime(still),
        )
