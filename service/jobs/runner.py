"""Works through jobs, one image at a time.

An image waits in the same lanes as those of requests, and has no lower rank there. Requests are
protected because jobs ask for one image at a time, and try again later where there is no place.
"""

import asyncio
import logging
import math
import os
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter

from service.errors import (
    DeadlineExceededError,
    InferenceError,
    JobNotFoundError,
    RetryableError,
    ServiceError,
)
from service.jobs.forms import JobForm
from service.jobs.images import JobImages
from service.jobs.log_reason import log_reason
from service.jobs.store import Job, JobImage, JobStore
from service.schemas import STATES, ImageResult, SegmentForm
from service.sessions import Resources, segment
from service.stores import MemoryStore, SessionContent, SessionKey, SessionLimits, decode_session
from service.telemetry import JobMetrics

_log = logging.getLogger("service.jobs")

_IDLE_S = 60.0
_TURN_S = 20.0  # time slice of one job, before that of another owner gets one
_BACK_OFF_S, _MAX_BACK_OFF_S = 0.1, 10.0
_MAX_TIMEOUTS = 5
_MAX_READS = 9  # of a file that a disk fails to read, over 20 s
_PAGE = 256  # images that are looked up together
_NEVER_S = 1e9
_UNBOUNDED = sys.maxsize
SNAPSHOT = "session.safetensors"
T = TypeVar("T")

_fields = TypeAdapter(dict[str, object])


class _JobGoneError(Exception):
    """The job was deleted or cancelled meanwhile."""


class JobRunner:
    """The background task of a directory of jobs.

    An image's result is in place before it counts as done, so a process that is killed repeats
    one image at most, and its result takes the place of the first.
    """

    def __init__(
        self,
        store: JobStore,
        resources: Resources,
        images: JobImages,
        metrics: JobMetrics,
        *,
        ttl_s: float,
        turn_s: float = _TURN_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._resources = resources
        self._images = images
        self._metrics = metrics
        self._clock = clock
        metrics.watch(STATES, store.count)
        self._ttl_s, self._turn_s = ttl_s, turn_s
        self._last_turn: dict[str, float] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.at_work: str | None = None  # the id of the job

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
        back_off_s = _BACK_OFF_S
        while True:
            try:
                await self._work_on_next()
                back_off_s = _BACK_OFF_S
            except Exception as exc:  # noqa: BLE001  # a full disk must not end all jobs
                _log.error("jobs stand still", extra={"reason": log_reason(exc)})
                await asyncio.sleep(back_off_s)
                back_off_s = min(2 * back_off_s, _MAX_BACK_OFF_S)

    async def _work_on_next(self) -> None:
        self._wake.clear()
        await asyncio.to_thread(self._store.forget_expired, self._clock() - self._ttl_s)
        # Round robin over owners: a few images of one do not wait for thousands of another.
        waiting = await asyncio.to_thread(self._store.waiting)
        job = min(waiting, key=lambda job: self._last_turn.get(job.owner, 0.0), default=None)
        if job is not None:
            self._last_turn = {each.owner: self._last_turn.get(each.owner, 0.0) for each in waiting}
            self._last_turn[job.owner] = time.monotonic()
            self.at_work = job.job_id
            try:
                with suppress(_JobGoneError):
                    await self._work_on(job)
            finally:
                self.at_work = None
            return
        # Not `wait_for`: until Python 3.12 it loses a cancellation that meets the event.
        with suppress(TimeoutError):
            async with asyncio.timeout(_IDLE_S):
                await self._wake.wait()

    async def _work_on(self, job: Job) -> None:
        move = partial(self._store.move, job.job_id)
        if not await asyncio.to_thread(move, "running", among=("queued", "running")):
            return
        resources, failure = self._resources, None
        try:
            resources = await self._read_patiently(job, partial(self._with_snapshot, job))
        except _JobGoneError:
            raise
        except Exception as exc:  # noqa: BLE001  # every image fails with it, and other jobs continue
            await self._require(job)
            failure = _failure(exc)
        until = time.monotonic() + self._turn_s
        async for image in self._pending(job):
            started = time.monotonic()
            outcome = failure or await self._segment(job, resources, image.number)
            seconds = time.monotonic() - started
            finish = partial(self._store.finish_image, job.job_id, image.number, seconds, outcome)
            await asyncio.to_thread(finish)
            self._metrics.image(seconds, failed=outcome is not None)
            if not await asyncio.to_thread(move, "running", among=("running",)):
                return
            if time.monotonic() >= until:
                return  # the rest, if any, in the job's next turn
        await asyncio.to_thread(move, "done", among=("running",))

    async def _pending(self, job: Job) -> AsyncIterator[JobImage]:
        """The images without a result; each must have one before the next is asked for."""
        find = partial(self._store.images, job.job_id, "pending", limit=_PAGE)
        while page := await asyncio.to_thread(find):
            for image in page:
                yield image

    async def _with_snapshot(self, job: Job) -> Resources:
        """The resources, with the session as it was when the job was created as the only one."""
        path = self._store.folder(job.job_id) / SNAPSHOT
        read = partial(_read_snapshot, path)
        content = await self._resources.pool.run(read)
        # The session is within its limits, whatever these are now.
        limits = SessionLimits(
            ttl_s=_NEVER_S,
            max_classes=_UNBOUNDED,
            max_shots=_UNBOUNDED,
            max_owner_sessions=_UNBOUNDED,
            max_owner_bytes=_UNBOUNDED,
        )
        store = MemoryStore(limits, max_sessions=1, max_bytes=_UNBOUNDED)
        form = JobForm.model_validate_json(job.form)
        await store.restore(SessionKey(job.owner, form.session_id or ""), content)
        # Large images of jobs have a slot of their own, so that requests keep theirs; jobs wait.
        tiling = asyncio.Semaphore(1)
        return replace(
            self._resources, store=store, tiling=tiling, deadline_s=math.inf, max_wait_s=math.inf
        )

    async def _require(self, job: Job) -> None:
        """Raise `_JobGoneError` if the job was deleted meanwhile, which is no failure."""
        try:
            await asyncio.to_thread(self._store.get, job.job_id, job.owner)
        except JobNotFoundError as exc:
            raise _JobGoneError from exc

    async def _require_running(self, job: Job) -> None:
        """Raise `_JobGoneError` if the job was cancelled or deleted meanwhile."""
        stay = partial(self._store.move, job.job_id, "running", among=("running",))
        if not await asyncio.to_thread(stay):
            raise _JobGoneError

    async def _read_patiently(self, job: Job, read: Callable[[], Awaitable[T]]) -> T:
        """What `read` returns; it is repeated for a while if the machine fails to read a file.

        Raises:
            _JobGoneError: the job was cancelled or deleted meanwhile.
        """
        back_off_s = _BACK_OFF_S
        for _ in range(_MAX_READS - 1):
            try:
                return await read()
            except FileNotFoundError:
                raise
            except (OSError, sqlite3.OperationalError) as exc:
                _log.warning("a file of a job cannot be read", extra={"reason": log_reason(exc)})
            await asyncio.sleep(back_off_s)
            back_off_s = min(2 * back_off_s, _MAX_BACK_OFF_S)
            await self._require_running(job)
        return await read()

    async def _segment(self, job: Job, resources: Resources, number: int) -> tuple[str, str] | None:
        """Write the result of one image; returns the code and detail of a failure, if any.

        Raises:
            OSError: there is no room for the result, which is no fault of the image.
        """
        back_off_s, timeouts, failures = _BACK_OFF_S, 0, 0
        read = partial(asyncio.to_thread, self._images.read, job.job_id, number)
        while True:
            try:
                data = await self._read_patiently(job, read)
                form = _single(job.form, data)
                (result,) = (await segment(resources, form, job.owner)).results
                break
            except (RetryableError, DeadlineExceededError, InferenceError) as exc:
                timeouts += isinstance(exc, DeadlineExceededError)
                failures += isinstance(exc, InferenceError)
                # It takes longer than a request may, even alone; or no device can segment it.
                if timeouts > _MAX_TIMEOUTS or failures >= InferenceError.max_attempts:
                    return _failure(exc)
                await asyncio.sleep(back_off_s)
                back_off_s = min(2 * back_off_s, _MAX_BACK_OFF_S)
                await self._require_running(job)
            except _JobGoneError:
                raise
            except Exception as exc:  # noqa: BLE001  # one image must not end the job
                await self._require(job)
                return _failure(exc)
        try:
            folder = self._store.folder(job.job_id)
            await asyncio.to_thread(_write_result, folder, number, result)
        except FileNotFoundError as exc:  # the job's folder was removed
            await self._require(job)
            return _failure(exc)
        return None


def _single(form: str, image: bytes) -> SegmentForm:
    """The request for one image of a job, with all fields that requests have."""
    fields = _fields.validate_json(form)
    kept = {name: value for name, value in fields.items() if name in SegmentForm.model_fields}
    return SegmentForm.model_validate({**kept, "images": [image]})


def _read_snapshot(path: Path) -> SessionContent:
    return decode_session(path.read_bytes(), {})


def _write_result(folder: Path, number: int, result: ImageResult) -> None:
    part = folder / f"{number}.part"
    with part.open("w", encoding="utf-8") as file:
        file.write(result.model_dump_json())
        file.flush()
        os.fsync(file.fileno())  # before the database records it as done
    part.replace(folder / f"{number}.json")
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _failure(exc: Exception) -> tuple[str, str]:
    if isinstance(exc, ServiceError):
        return exc.code, exc.detail
    if isinstance(exc, OSError):  # a traceback would tell the file's name
        _log.error("image of a job failed", extra={"reason": log_reason(exc)})
    else:
        _log.error("image of a job failed", exc_info=exc)
    return ServiceError.code, ServiceError.title
