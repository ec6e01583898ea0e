"""A disk that is full stops jobs while it is, and nothing else."""

import asyncio
import errno
import json
import logging
import os
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.app import create_app
from service.engine import FakeEngine
from service.jobs import JobDesk, JobForm, back_off, work
from service.jobs.images import JobImages
from service.jobs.job_files import SNAPSHOT, write_result
from service.jobs.store import JobStore
from service.schemas import JobResponse
from service.settings import Settings
from tests.service.http_api import assert_problem, new_session, running
from tests.service.jobs.job_calls import SCENES, ended, results, uploads

# pycocotools is older than NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
async def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    monkeypatch.setattr(back_off, "_FIRST_S", 0.01)
    settings = Settings(jobs_dir=tmp_path / "jobs")
    async with running(create_app(settings, engine=FakeEngine())) as client:
        yield client


async def _make(jobs: httpx.AsyncClient, images: int = 3) -> httpx.Response:
    fields = {"session_id": await new_session(jobs, SCENES[:1]), "formats": "png"}
    return await jobs.post("/jobs", data=fields, files=uploads(images))


async def test_jobs_go_on_once_there_is_room_again(
    jobs: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = JobStore.finish_image
    failures: list[int] = []

    def full_twice(store: JobStore, *arguments: Any) -> None:
        if len(failures) < 2:
            failures.append(1)
            raise sqlite3.OperationalError("database or disk is full")
        whole(store, *arguments)

    monkeypatch.setattr(JobStore, "finish_image", full_twice)
    job = await ended(jobs, (await _make(jobs)).json()["job_id"])
    assert (job["state"], job["done"], job["failed"], len(failures)) == ("done", 3, 0, 2)
    results(await jobs.get(f"/jobs/{job['job_id']}/results"))


def _failing(whole: Any, number: int, times: int) -> tuple[Any, list[int]]:
    """A function that fails with an errno some times before it does as it should."""
    failures: list[int] = []

    def failing(*arguments: Any) -> Any:
        if len(failures) < times:
            failures.append(number)
            raise OSError(number, os.strerror(number))
        return whole(*arguments)

    return failing, failures


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EMFILE, errno.EIO])
@pytest.mark.parametrize(
    ("owner", "name"),
    [(work, "write_result"), (work, "read_snapshot"), (JobImages, "read")],
    ids=["result", "snapshot", "image"],
)
async def test_no_image_fails_because_the_disk_does(
    jobs: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    owner: object,
    name: str,
    number: int,
) -> None:
    failing, failures = _failing(getattr(owner, name), number, 3)
    monkeypatch.setattr(owner, name, failing)
    job = await ended(jobs, (await _make(jobs)).json()["job_id"])
    assert (job["state"], job["done"], job["failed"], len(failures)) == ("done", 3, 0, 3)
    results(await jobs.get(f"/jobs/{job['job_id']}/results"))


async def test_a_file_that_can_never_be_read_fails_alone(
    jobs: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = JobImages.read

    def broken(images: JobImages, job_id: str, number: int) -> bytes:
        if number == 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return whole(images, job_id, number)

    monkeypatch.setattr(JobImages, "read", broken)
    monkeypatch.setattr(back_off, "_LONGEST_S", 0.01)
    job = await ended(jobs, (await _make(jobs)).json()["job_id"])
    assert (job["done"], [each["code"] for each in job["errors"]]) == (2, ["internal_error"])


async def _until(jobs: httpx.AsyncClient, job_id: str, *, still: bool, done: int) -> dict[str, Any]:
    """The job once that many images are done, and it stands still or does not."""
    async with asyncio.timeout(30):
        while True:
            job: dict[str, Any] = (await jobs.get(f"/jobs/{job_id}")).json()
            if (job["stands_still_since"] is not None) == still and job["done"] == done:
                return job
            await asyncio.sleep(0.01)


async def test_a_job_tells_since_when_it_stands_still(
    jobs: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no end that will not come; when images have results again, it does not stand still."""
    room, last = threading.Event(), threading.Event()

    def full(folder: Path, number: int, result: Any) -> None:
        if number == 1 and not room.is_set():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
        assert number < 2 or last.wait(30)
        write_result(folder, number, result)

    monkeypatch.setattr(work, "write_result", full)
    job_id = (await _make(jobs)).json()["job_id"]
    first = await _until(jobs, job_id, still=True, done=1)
    assert (first["state"], first["eta_s"]) == ("running", None)
    assert abs(time.time() - datetime.fromisoformat(first["stands_still_since"]).timestamp()) < 30
    await asyncio.sleep(0.1)  # it is tried again meanwhile
    later = (await jobs.get("/jobs")).json()["jobs"][0]
    assert later["stands_still_since"] == first["stands_still_since"]
    told = asyncio.create_task(jobs.get(f"/jobs/{job_id}/events", headers={"Last-Event-ID": "1"}))
    await asyncio.sleep(0.1)
    room.set()
    assert (await _until(jobs, job_id, still=False, done=2))["eta_s"] > 0
    last.set()
    assert (await ended(jobs, job_id))["stands_still_since"] is None
    lines = (await told).text.splitlines()
    sent = [json.loads(line[len("data: ") :]) for line in lines if line.startswith("data: ")]
    assert sent[0]["stands_still_since"] == first["stands_still_since"]
    assert sent[-1]["stands_still_since"] is None


async def test_a_job_that_ended_meanwhile_does_not_stand_still(
    jobs: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing, _ = _failing(write_result, errno.ENOSPC, 10**6)
    monkeypatch.setattr(work, "write_result", failing)
    job_id = (await _make(jobs)).json()["job_id"]
    await _until(jobs, job_id, still=True, done=0)
    cancelled = (await jobs.post(f"/jobs/{job_id}/cancel")).json()
    assert (cancelled["state"], cancelled["stands_still_since"]) == ("cancelled", None)


@pytest.mark.parametrize(("owner", "name"), [(JobStore, "create"), (os, "fsync")])
async def test_a_job_that_cannot_be_kept_is_refused_and_leaves_nothing(
    jobs: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    owner: object,
    name: str,
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device", str(tmp_path))

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(owner, name, full)
        problem = assert_problem(await _make(jobs), 503, "job_storage_failed")
    assert str(tmp_path) not in problem["detail"]
    assert (await jobs.get("/jobs")).json() == {"jobs": []}
    assert list((tmp_path / "jobs/files").iterdir()) == []
    assert (await _make(jobs)).status_code == 202


async def test_all_files_are_on_the_disk_before_a_job_is_recorded(
    jobs: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    synced, recorded = list[Path](), list[set[str]]()
    sync, create = os.fsync, JobStore.create

    def watched_sync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        sync(descriptor)

    def watched_create(store: JobStore, job_id: str, *arguments: Any) -> None:
        folder = tmp_path / "jobs/files" / job_id
        assert {folder, folder.parent, *folder.iterdir()} <= set(synced)
        recorded.append({path.name for path in folder.iterdir()})
        create(store, job_id, *arguments)

    monkeypatch.setattr(os, "fsync", watched_sync)
    monkeypatch.setattr(JobStore, "create", watched_create)
    assert (await _make(jobs)).status_code == 202
    assert recorded == [{"0", "1", "2", SNAPSHOT}]


async def test_results_that_find_no_room_are_the_operators_concern(
    jobs: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    job = await ended(jobs, (await _make(jobs)).json()["job_id"])
    path = f"/jobs/{job['job_id']}/results"

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device", str(tmp_path))

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr("service.jobs.results.export_dataset", full)
        assert_problem(await jobs.get(path), 503, "job_storage_failed")
    results(await jobs.get(path))


async def test_missing_results_are_no_missing_job(jobs: httpx.AsyncClient, tmp_path: Path) -> None:
    job = await ended(jobs, (await _make(jobs)).json()["job_id"])
    next((tmp_path / "jobs/files").glob("*/1.json")).unlink()
    problem = assert_problem(await jobs.get(f"/jobs/{job['job_id']}/results"), 409, "job_state")
    assert problem["detail"] == "results of the job are missing"


async def test_a_job_whose_files_are_gone_fails_and_holds_up_no_other(tmp_path: Path) -> None:
    with closing(JobStore(tmp_path / "jobs")) as store:
        form = JobForm.model_validate({"session_id": "any"}).model_dump_json()
        store.create("gone", "", form, ["a.png"], 0)
    async with running(
        create_app(Settings(jobs_dir=tmp_path / "jobs"), engine=FakeEngine())
    ) as client:
        job = await ended(client, "gone")
        assert (job["state"], job["done"], job["failed"]) == ("done", 0, 1)
        other = await ended(client, (await _make(client)).json()["job_id"])
        assert other["done"] == 3


async def test_an_event_id_beyond_all_numbers_is_refused(jobs: httpx.AsyncClient) -> None:
    job_id = (await _make(jobs)).json()["job_id"]
    answer = await jobs.get(f"/jobs/{job_id}/events", headers={"Last-Event-ID": "9" * 4400})
    assert_problem(answer, 422, "invalid_request")


class FragileDatabase(sqlite3.Connection):
    """A database that fails in statements that begin so."""

    failing: tuple[str, ...] = ()

    def execute(self, statement: str, *arguments: Any) -> sqlite3.Cursor:
        if statement.startswith(FragileDatabase.failing):
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(statement, *arguments)


@pytest.fixture
def fragile(monkeypatch: pytest.MonkeyPatch) -> type[FragileDatabase]:
    monkeypatch.setattr(FragileDatabase, "failing", ())
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=FragileDatabase))
    return FragileDatabase


async def test_every_request_is_told_that_the_database_fails(
    fragile: type[FragileDatabase], jobs: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    job = await ended(jobs, (await _make(jobs)).json()["job_id"])
    path = f"/jobs/{job['job_id']}"
    fragile.failing = ("",)
    answers = [await _make(jobs)]
    answers += [await jobs.get(each) for each in ("/jobs", path, f"{path}/events")]
    answers += [await jobs.post(f"{path}/{verb}") for verb in ("cancel", "resume")]
    answers += [await jobs.get(f"{path}/results"), await jobs.delete(path)]
    fragile.failing = ("BEGIN",)  # where it can be read, and not written
    answers += [await _make(jobs), await jobs.post(f"{path}/resume")]
    for answer in answers:
        problem = assert_problem(answer, 503, "job_storage_failed")
        assert "I/O" not in problem["detail"]
    told = [record for record in caplog.records if record.name == "service.jobs"]
    assert {record.levelno for record in told} == {logging.ERROR}
    assert "OperationalError: disk I/O error" in {record.__dict__["reason"] for record in told}
    fragile.failing = ()
    results(await jobs.get(f"{path}/results"))


async def test_events_end_where_the_database_fails(
    fragile: type[FragileDatabase], jobs: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client asks again, and is told then."""
    get, looks = JobDesk.get, 0

    async def get_until_it_fails(desk: JobDesk, job_id: str, owner: str) -> JobResponse:
        nonlocal looks
        looks += 1
        fragile.failing = ("",) * (
            looks > 2
        )  # the first one is that of the request, before its events
        return await get(desk, job_id, owner)

    reading = asyncio.Event()

    async def never_segmented(*_: Any) -> None:
        reading.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(work.JobWork, "take_turn", never_segmented)
    job_id = (await _make(jobs)).json()["job_id"]
    await asyncio.wait_for(reading.wait(), 30)
    monkeypatch.setattr(JobDesk, "get", get_until_it_fails)
    told = await jobs.get(f"/jobs/{job_id}/events")
    assert (told.status_code, looks) == (200, 3)
    assert "event: progress" in told.text
    assert "event: end" not in told.text
    fragile.failing = ()
