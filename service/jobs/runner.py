"""Gives the jobs of all owners their turns."""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from service.jobs.back_off import BackOff
from service.jobs.images import JobImages
from service.jobs.job import Job
from service.jobs.log_reason import log_reason
from service.jobs.store import JobStore
from service.jobs.threads import JobThreads
from service.jobs.work import JobWork
from service.schemas import STATES
from service.sessions import Resources
from service.telemetry import JobMetrics

_log = logging.getLogger("service.jobs")

_IDLE_S = 60.0
_TURN_S = 20.0  # time slice of one job, before that of another owner gets one


class JobRunner:
    """The background task of a directory of jobs.

    Args:
        store: of the jobs.
        resources: of the use cases.
        images: of the jobs.
        threads: that files and the store are used in.
        metrics: count jobs and images.
        ttl_s: for which a job that has ended is kept.
        turn_s: of one job, before that of another owner gets one.
    """

    def __init__(
        self,
        store: JobStore,
        resources: Resources,
        images: JobImages,
        threads: JobThreads,
        metrics: JobMetrics,
        *,
        ttl_s: float,
        turn_s: float = _TURN_S,
    ) -> None:
        self._store = store
        self._threads = threads
        self._begin_work = partial(
            JobWork,
            store=store,
            resources=resources,
            images=images,
            threads=threads,
            metrics=metrics,
            on_outcome=self._go_on,
        )
        metrics.watch(STATES, store.count)
        self._ttl_s, self._turn_s = ttl_s, turn_s
        self._last_turn: dict[str, float] = {}
        self._work: dict[str, JobWork] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.at_work: str | None = None  # the id of the job
        self.stands_still_since: float | None = None  # seconds since the epoch

    def start(self) -> None:
        """Start, with what an earlier process left unfinished."""
        self._task = asyncio.create_task(self._run())

    def wake(self) -> None:
        """Signal that there is a new job."""
        self._wake.set()

    async def stop(self) -> None:
        """Stop now; the image in progress is abandoned, and segmented again at the next start."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        back_off = BackOff()
        while True:
            try:
                await self._work_on_next()
                back_off.reset()
                self._go_on()
            except Exception as exc:  # noqa: BLE001  # a full disk must not end all jobs
                _log.error("jobs stand still", extra={"reason": log_reason(exc)})
                self.stands_still_since = self.stands_still_since or time.time()
                await back_off.wait()

    def _go_on(self) -> None:
        """Note that jobs do not stand still any more: long before a turn is over, an image is."""
        self.stands_still_since = None

    async def _work_on_next(self) -> None:
        self._wake.clear()
        await self._threads.work(partial(self._store.forget_expired, self._ttl_s))
        waiting = await self._threads.work(self._store.waiting)
        self._forget_all_but(waiting)
        if not waiting:
            await self._idle()
            return
        # Round robin over owners: a few images of one do not wait for thousands of another.
        job = min(waiting, key=lambda job: self._last_turn.get(job.owner, 0.0))
        self._last_turn[job.owner] = time.monotonic()
        if job.job_id not in self._work:
            self._work[job.job_id] = self._begin_work(job)
        work = self._work[job.job_id]
        self.at_work = job.job_id
        try:
            await work.take_turn(self._turn_s)
        finally:
            self.at_work = None

    def _forget_all_but(self, waiting: Sequence[Job]) -> None:
        owners, jobs = {job.owner for job in waiting}, {job.job_id for job in waiting}
        self._last_turn = {k: at for k, at in self._last_turn.items() if k in owners}
        self._work = {k: work for k, work in self._work.items() if k in jobs}

    async def _idle(self) -> None:
        # Not `wait_for`: until Python 3.12 it loses a cancellation that meets the event.
        with suppress(TimeoutError):
            async with asyncio.timeout(_IDLE_S):
                await self._wake.wait()
