"""Following a job and fetching its results; see `service.client.exchange`."""

import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

import httpx

from service.client import job_calls
from service.client.errors import UnexpectedAnswerError
from service.client.events import JobEvents
from service.client.exchange import Flow, Pause, Receive, Work, pause_or_raise
from service.client.retries import Retries
from service.schemas import JobResponse


def follow(job_id: str, retries: Retries, tell: Callable[[JobResponse], None]) -> Flow[JobResponse]:
    """Wait until a job has ended; a stream that breaks off is asked for again.

    Raises:
        ClientError: as many attempts in a row as `retries` allows brought no event.
    """
    events, failures = JobEvents(tell), 0
    while True:
        events.begin()
        call = job_calls.events(job_id, events.seen)
        before = events.job
        outcome = yield Receive(call, events.take)
        if events.ended and events.job is not None:
            return events.job
        failures = 1 if events.job is not before else failures + 1
        if isinstance(outcome, httpx.Response) and outcome.is_success:
            # The service stops, or somebody between has had enough.
            yield Pause(retries.first_wait_s)
        else:
            yield pause_or_raise(call, failures, outcome, retries)


def download(job_id: str, to: Path, retries: Retries) -> Flow[Path]:
    """Fetch the results of a job: as they are to a name that ends in .zip, else into a folder.

    Raises:
        ClientError.
    """
    call = job_calls.results(job_id)
    part = Path(f"{to}.part")  # beside it; `.` has no name to be changed
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        for attempt in count(1):
            with part.open("wb") as file:
                outcome = yield Receive(call, lambda chunk: file.write(chunk) < 0)
            if isinstance(outcome, httpx.Response) and outcome.is_success:
                break
            # A service that is slow began to pack; asked again, it would begin from nothing.
            slow = isinstance(outcome, httpx.ReadTimeout)
            asked = replace(call, repeatable=not slow)
            yield pause_or_raise(asked, attempt, outcome, retries)
        yield Work(partial(_put, part, to))
    finally:
        part.unlink(missing_ok=True)
    return to


def _put(part: Path, to: Path) -> None:
    if to.suffix.lower() == ".zip":
        part.replace(to)
        return
    try:
        with zipfile.ZipFile(part) as archive:
            archive.extractall(to)
    except zipfile.BadZipFile as exc:
        raise UnexpectedAnswerError("the results are no zip file") from exc
