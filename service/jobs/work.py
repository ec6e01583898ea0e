"""Works on the images of one job, one at a time.

An image waits in the same lanes as those of requests, and has no lower rank there. Requests are
protected because jobs ask for one image at a time, and try again later where there is no place.
"""

import asyncio
import logging
import math
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

from pydantic import TypeAdapter

from service.engine import INFERENCE_ATTEMPTS
from service.errors import (
    BodyTooLargeError,
    DeadlineExceededError,
    ImageChangedError,
    ImageMissingError,
    InferenceError,
    RetryableError,
    ServiceError,
)
from service.jobs.back_off import BackOff
from service.jobs.forms import JobForm
from service.jobs.images import JobImages
from service.jobs.job import Job
from service.jobs.job_files import read_snapshot, write_result
from service.jobs.log_reason import log_reason
from service.jobs.store import JobStore
from service.jobs.threads import JobThreads
from service.schemas import SegmentForm, State
from service.sessions import Resources, segment
from service.stores import MemoryStore, SessionKey, SessionLimits, decode_session
from service.telemetry import JobMetrics

_log = logging.getLogger("service.jobs")

_MAX_TIMEOUTS = 5
_MAX_READS = 9  # of a file that a disk fails to read, over 20 s
_PAGE = 256  # images that are looked up together
_NEVER_S = 1e9
_UNBOUNDED = sys.maxsize

_fields = TypeAdapter(dict[str, object])


class _TurnOverError(Exception):
    """The time is over, or the job was cancelled or deleted meanwhile."""


class _Failure(NamedTuple):
    """Why an image has no result."""

    code: str
    detail: str


@dataclass
class _Tries:
    """How often an image was tried, in this turn of its job and those before.

    seconds: that it took in all of them.
    """

    number: int
    seconds: float = 0.0
    timeouts: int = 0
    failures: int = 0
    back_off: BackOff = field(default_factory=BackOff)

    def used_up(self, exc: Exception) -> bool:
        """Whether an error, which may not be the image's fault, has come once too often."""
        self.timeouts += isinstance(exc, DeadlineExceededError)
        self.failures += isinstance(exc, InferenceError)
        # It takes longer than a request may, even alone; or no device can segment it.
        return self.timeouts > _MAX_TIMEOUTS or self.failures >= INFERENCE_ATTEMPTS


class JobWork:
    """A job at work, from turn to turn.

    An image's result is in place before it counts as done, so a process that is killed repeats
    one image at most, and its result takes the place of the first.

    Args:
        job: that is worked on.
        store: of the jobs.
        resources: of the use cases.
        images: of the jobs.
        threads: that files and the store are used in.
        metrics: count images.
        on_outcome: called when an image has one, and that is recorded.
    """

    def __init__(
        self,
        job: Job,
        *,
        store: JobStore,
        resources: Resources,
        images: JobImages,
        threads: JobThreads,
        metrics: JobMetrics,
        on_outcome: Callable[[], None],
    ) -> None:
        self._job = job
        self._store = store
        self._resources = resources
        self._images = images
        self._threads = threads
        self._metrics = metrics
        self._on_outcome = on_outcome
        self._folder = store.folder(job.job_id)
        self._until = 0.0  # when the turn ends
        self._tries = _Tries(-1)  # of no image yet

    async def take_turn(self, seconds: float) -> None:
        """Work on the images that have no outcome, until there are none or the time is over.

        One that has none by then is tried again in the next turn.

        Raises:
            OSError, JobStorageError: there is no room for a result, which is no fault of its image.
        """
        self._until = time.monotonic() + seconds
        with suppress(_TurnOverError):
            await self._move("running", among=("queued", "running"))
            opened = await self._open()
            find = partial(self._store.images, self._job.job_id, "pending", limit=_PAGE)
            while page := await self._threads.work(find):
                for image in page:
                    await self._work_on(image.number, opened)
                    await self._require_time()
            await self._move("done", among=("running",))

    async def _move(self, state: State, *, among: Sequence[State]) -> None:
        """Set the state of the job.

        Raises:
            _TurnOverError: it is in none of `among`, or deleted.
        """
        if not await self._threads.work(
            partial(self._store.move, self._job.job_id, state, among=among)
        ):
            raise _TurnOverError

    async def _require_time(self) -> None:
        await self._move("running", among=("running",))
        if time.monotonic() >= self._until:
            raise _TurnOverError

    async def _work_on(self, number: int, opened: Resources | _Failure) -> None:
        """Find and record the outcome of an image.

        Raises:
            _TurnOverError: it has none yet.
        """
        if self._tries.number != number:
            self._tries = _Tries(number)
        started = time.monotonic()
        try:
            failure = opened if isinstance(opened, _Failure) else await self._segment(opened)
        finally:
            self._tries.seconds += time.monotonic() - started
        seconds = self._tries.seconds
        finish = partial(self._store.finish_image, self._job.job_id, number, seconds, failure)
        if await self._threads.work(finish):
            self._metrics.image(seconds, failed=failure is not None)
            self._on_outcome()

    async def _open(self) -> Resources | _Failure:
        """The resources, with the job's session as the only one; or what every image fails with."""
        read = partial(self._threads.work, partial(read_snapshot, self._folder))
        try:
            snapshot = await self._read_patiently(read)
        except OSError as exc:
            return await self._failure(exc)
        try:
            return await self._with_session(snapshot)
        except Exception as exc:  # noqa: BLE001  # one job must not end all others
            return await self._failure(exc)

    async def _with_session(self, snapshot: bytes) -> Resources:
        content = await self._resources.pool.run(partial(decode_session, snapshot, {}))
        # The session is within its limits, whatever these are now.
        limits = SessionLimits(
            ttl_s=_NEVER_S,
            max_classes=_UNBOUNDED,
            max_shots=_UNBOUNDED,
            max_owner_sessions=_UNBOUNDED,
            max_owner_bytes=_UNBOUNDED,
        )
        store = MemoryStore(limits, max_sessions=1, max_bytes=_UNBOUNDED)
        form = JobForm.model_validate_json(self._job.form)
        await store.restore(SessionKey(self._job.owner, form.session_id or ""), content)
        # Large images of jobs have a slot of their own, so that requests keep theirs; jobs wait.
        tiling = asyncio.Semaphore(1)
        return replace(
            self._resources, store=store, tiling=tiling, deadline_s=math.inf, max_wait_s=math.inf
        )

    async def _segment(self, resources: Resources) -> _Failure | None:
        """Write the result of the image, which is tried again where it may not be at fault.

        Raises:
            _TurnOverError: it has no outcome yet.
            OSError: there is no room for the result.
        """
        number = self._tries.number
        read = partial(self._threads.work, partial(self._images.read, self._job.job_id, number))
        while True:
            try:
                data = await self._read_patiently(read)
            except (OSError, BodyTooLargeError, ImageMissingError, ImageChangedError) as exc:
                return await self._failure(exc)
            try:
                form = _single(self._job.form, data)
                (result,) = (await segment(resources, form, self._job.owner)).results
                break
            except (RetryableError, DeadlineExceededError, InferenceError) as exc:
                if self._tries.used_up(exc):
                    return await self._failure(exc)
            except Exception as exc:  # noqa: BLE001  # one image must not end the job
                return await self._failure(exc)
            await self._tries.back_off.wait(at_most_s=self._until - time.monotonic())
            await self._require_time()
        try:
            await self._threads.work(partial(write_result, self._folder, number, result))
        except FileNotFoundError as exc:  # the job's folder was removed
            return await self._failure(exc)
        return None

    async def _read_patiently(self, read: Callable[[], Awaitable[bytes]]) -> bytes:
        """What `read` returns; it is repeated for a while if the machine fails to read a file.

        Raises:
            _TurnOverError: the job was cancelled or deleted meanwhile.
        """
        back_off = BackOff()
        for _ in range(_MAX_READS - 1):
            try:
                return await read()
            except FileNotFoundError:
                raise
            except OSError as exc:
                _log.warning("a file of a job cannot be read", extra={"reason": log_reason(exc)})
            await back_off.wait()
            await self._move("running", among=("running",))
        return await read()

    async def _failure(self, exc: Exception) -> _Failure:
        """What an image fails with; what is not expected is logged, unless the job was deleted."""
        if isinstance(exc, ServiceError):
            return _Failure(exc.code, exc.detail)
        if await self._threads.work(partial(self._store.has, self._job.job_id)):
            if isinstance(exc, OSError):  # a traceback would tell the file's name
                _log.error("image of a job failed", extra={"reason": log_reason(exc)})
            else:
                _log.error("image of a job failed", exc_info=exc)
        return _Failure(ServiceError.code, ServiceError.title)


def _single(form: str, image: bytes) -> SegmentForm:
    """The request for one image of a job, with all fields that requests have."""
    fields = _fields.validate_json(form)
    kept = {name: value for name, value in fields.items() if name in SegmentForm.model_fields}
    return SegmentForm.model_validate({**kept, "images": [image]})
