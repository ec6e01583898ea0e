"""Following a job and fetching its results; see `service.client.exchange`."""

import logging
import time
import zipfile
from collections.abc import Callable, Iterable
from functools import partial
from itertools import count
from pathlib import Path

import httpx

from service.client import job_calls
from service.client.errors import InvalidInputError, UnexpectedAnswerError
from service.client.events import JobEvents
from service.client.exchange import Flow, Pause, RunBlocking, StreamResponse, pause_or_raise
from service.client.retries import Retries
from service.schemas import JobResponse

_log = logging.getLogger("service.client")

_AWAY = (502, 504)
"""What proxies answer for a service that is not there."""
_LOOK_AGAIN_S = 2.0
_NOTE = ".fss-job"
"""A file in a folder of results: the id of their job."""


def follow(
    job_id: str, retries: Retries, on_progress: Callable[[JobResponse], None]
) -> Flow[JobResponse]:
    """Wait until a job has ended; a stream that breaks off is requested again.

    The log is warned of a standstill, which lasts until the service's operator acts.

    Raises:
        ClientError: as many attempts in a row as `retries` allows brought no event; once there was
            an event, the service may be away for `restart_s`, unless there are no retries.
    """
    events, failures, heard = JobEvents(_warning(on_progress)), 0, time.monotonic()

    def take(chunk: bytes) -> bool:
        nonlocal heard
        heard = time.monotonic()
        return events.take(chunk)

    while True:
        events.begin()
        call = job_calls.events(job_id, events.seen)
        before = events.job
        outcome = yield StreamResponse(call, take)
        if events.ended and events.job is not None:
            return events.job
        failures = 1 if events.job is not before else failures + 1
        if isinstance(outcome, httpx.Response) and outcome.is_success:
            if events.job is None and failures >= retries.attempts:
                raise UnexpectedAnswerError("the answer holds no events of a job")
            # The service is stopping, or a proxy closed the stream.
            yield Pause(retries.first_wait_s)
            continue
        away = events.job is not None and time.monotonic() - heard < retries.restart_s
        if away and isinstance(outcome, httpx.Response) and outcome.status_code in _AWAY:
            yield Pause(_LOOK_AGAIN_S)
            continue
        attempt = min(failures, retries.attempts - 1) if away else failures
        yield pause_or_raise(call, max(attempt, 1), outcome, retries)


def _warning(on_progress: Callable[[JobResponse], None]) -> Callable[[JobResponse], None]:
    """The function, which also warns each time that the job has come to a standstill."""
    still = False

    def take(job: JobResponse) -> None:
        nonlocal still
        if job.stands_still_since is not None and not still:
            _log.warning(
                "the job has stood still since %s: the service cannot write or read what it keeps "
                "of jobs, such as on a full disk",
                job.stands_still_since.astimezone().strftime("%Y-%m-%d %H:%M:%S"),
            )
        still = job.stands_still_since is not None
        on_progress(job)

    return take


def download(job_id: str, to: Path, retries: Retries) -> Flow[Path]:
    """Fetch the results of a job: as they are to a name that ends in .zip, else into a folder.

    Raises:
        InvalidInputError: the folder holds the results of another job.
        ClientError.
    """
    _require_own(to, job_id)
    call = job_calls.results(job_id)
    part = Path(f"{to}.part")  # not `with_name`, which `.` does not have
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        for attempt in count(1):
            with part.open("wb") as file:
                outcome = yield StreamResponse(call, lambda chunk: file.write(chunk) < 0)
            if isinstance(outcome, httpx.Response) and outcome.is_success:
                break
            yield pause_or_raise(call, attempt, outcome, retries)
        yield RunBlocking(partial(_put, part, to, job_id))
    finally:
        part.unlink(missing_ok=True)
    return to


def _require_own(to: Path, job_id: str) -> None:
    """Refuse to mix jobs: numbers in label maps would mean the classes of the last one."""
    note = to / _NOTE
    if note.is_file() and (other := note.read_text(encoding="utf-8").strip()) != job_id:
        raise InvalidInputError(f"{to} holds the results of job {other}; choose another folder")


def _put(part: Path, to: Path, job_id: str) -> None:
    if to.suffix.lower() == ".zip":
        part.replace(to)
        return
    try:
        with zipfile.ZipFile(part) as archive:
            note = to / _NOTE
            if not note.exists():
                _require_free(to, archive.namelist())
                to.mkdir(parents=True, exist_ok=True)
                note.write_text(f"{job_id}\n", encoding="utf-8")
            archive.extractall(to)
    except zipfile.BadZipFile as exc:
        raise UnexpectedAnswerError("the results are no zip file") from exc


def _require_free(to: Path, names: Iterable[str]) -> None:
    there = next((name for name in names if (to / name).is_file()), None)
    if there is not None:
        raise InvalidInputError(f"{to / there} is there already; choose another folder")
