"""A job that is asked for again under one key, because its answer was lost, is made once."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.access import key_line, new_key
from service.app import create_app
from service.engine import FakeEngine
from service.jobs.job import Job
from service.jobs.store import JobStore
from service.settings import Settings
from service.stores import IdempotencyToken
from tests.service.http_api import assert_problem, new_session, running
from tests.service.jobs.job_calls import (
    SCENES,
    ended,
    post_and_leave,
    results,
    uploads,
    zipped,
)

# pycocotools is older than NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

KEY = {"Idempotency-Key": "made-by-the-client"}
Files = list[tuple[str, tuple[str, bytes]]]


@pytest.fixture
async def jobs(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service with jobs."""
    app = create_app(Settings(jobs_dir=tmp_path / "jobs"), engine=FakeEngine())
    async with running(app) as client:
        yield client


def folders(tmp_path: Path) -> list[str]:
    return [folder.name for folder in (tmp_path / "jobs" / "files").iterdir()]


def archive() -> Files:
    return [("archive", ("a.zip", zipped({"a.png": SCENES[1].image_png})))]


async def post(
    client: httpx.AsyncClient, session_id: str, files: Files, **fields: Any
) -> httpx.Response:
    return await client.post(
        "/jobs", data={"session_id": session_id, **fields}, files=files, headers=KEY
    )


@pytest.mark.parametrize("files", [uploads(2), archive(), [*uploads(2), *archive()]])
async def test_a_repeated_request_gets_its_job_as_it_is_by_then(
    jobs: httpx.AsyncClient, tmp_path: Path, files: Files
) -> None:
    session_id = await new_session(jobs, SCENES[:1])
    made = await post(jobs, session_id, files)
    assert made.status_code == 202
    job_id = made.json()["job_id"]
    await ended(jobs, job_id)
    assert (await jobs.delete(f"/sessions/{session_id}")).status_code == 204
    again = await post(jobs, session_id, files)
    assert again.status_code == 202
    assert (again.json()["job_id"], again.json()["state"]) == (job_id, "done")
    assert len((await jobs.get("/jobs")).json()["jobs"]) == 1
    assert folders(tmp_path) == [job_id]
    results(await jobs.get(f"/jobs/{job_id}/results"))


async def test_requests_at_the_same_time_make_one_job(
    jobs: httpx.AsyncClient, tmp_path: Path
) -> None:
    session_id = await new_session(jobs, SCENES[:1])
    answers = await asyncio.gather(*(post(jobs, session_id, archive()) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {202}
    (job_id,) = {answer.json()["job_id"] for answer in answers}
    assert (await ended(jobs, job_id))["done"] == 1
    assert folders(tmp_path) == [job_id]


async def test_the_second_of_two_that_meet_in_the_database_is_the_first(
    jobs: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    find = JobStore.find_done

    def find_late(store: JobStore, owner: str, once: IdempotencyToken) -> Job | None:
        nonlocal looks
        looks += 1
        return None if looks <= 2 else find(store, owner, once)  # neither finds the other's job

    monkeypatch.setattr(JobStore, "find_done", find_late)
    session_id = await new_session(jobs, SCENES[:1])
    answers = await asyncio.gather(*(post(jobs, session_id, uploads(1)) for _ in range(2)))
    assert {answer.status_code for answer in answers} == {202}
    (job_id,) = {answer.json()["job_id"] for answer in answers}
    assert looks == 3
    assert folders(tmp_path) == [job_id]


async def test_a_repeated_request_needs_no_place_for_another_job(tmp_path: Path) -> None:
    settings = Settings(jobs_dir=tmp_path / "jobs", jobs_max_owner=1)
    async with running(create_app(settings, engine=FakeEngine())) as client:
        session_id = await new_session(client, SCENES[:1])
        made, again = [await post(client, session_id, uploads(1)) for _ in range(2)]
        assert again.json()["job_id"] == made.json()["job_id"]
        data = {"session_id": session_id}
        another = await client.post("/jobs", data=data, files=uploads(1))
        assert_problem(another, 422, "limit_exceeded")


async def test_a_job_of_a_client_that_left_is_found_by_the_next_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app(Settings(jobs_dir=tmp_path / "jobs"), engine=FakeEngine())
    async with running(app) as client:
        session_id = await new_session(client, SCENES[:1])
        request = client.build_request(
            "POST", "/jobs", data={"session_id": session_id}, files=archive(), headers=KEY
        )
        assert await post_and_leave(app, request, monkeypatch) == []
        (job_id,) = folders(tmp_path)
        again = await post(client, session_id, archive())
        assert again.status_code == 202
        assert folders(tmp_path) == [job_id]
        assert again.json()["job_id"] == job_id
        assert (await ended(client, job_id))["done"] == 1


async def test_a_directory_of_an_earlier_release_gets_its_table(tmp_path: Path) -> None:
    settings = Settings(jobs_dir=tmp_path / "jobs")
    for release in ("earlier", "this"):
        async with running(create_app(settings, engine=FakeEngine())) as client:
            session_id = await new_session(client, SCENES[:1])
            assert (await post(client, session_id, uploads(1))).status_code == 202
        if release == "earlier":
            with closing(sqlite3.connect(tmp_path / "jobs" / "jobs.sqlite3")) as db:
                db.execute("DROP TABLE receipts")


async def test_a_key_of_another_request_is_refused(jobs: httpx.AsyncClient, tmp_path: Path) -> None:
    session_id = await new_session(jobs, SCENES[:1])
    made = await post(jobs, session_id, uploads(2))
    renamed = [(field, (f"{name}.png", data)) for field, (name, data) in uploads(2)]
    others = [
        await post(jobs, session_id, uploads(3)),
        await post(jobs, session_id, [*reversed(uploads(2))]),
        await post(jobs, session_id, renamed),
        await post(jobs, session_id, uploads(2), threshold="0.7"),
    ]
    for answer in others:
        assert_problem(answer, 422, "idempotency_key_reused")
    assert folders(tmp_path) == [made.json()["job_id"]]


async def test_a_job_that_is_deleted_can_be_made_again(jobs: httpx.AsyncClient) -> None:
    session_id = await new_session(jobs, SCENES[:1])
    first = (await post(jobs, session_id, uploads(1))).json()["job_id"]
    await ended(jobs, first)
    assert (await jobs.delete(f"/jobs/{first}")).status_code == 204
    second = (await post(jobs, session_id, uploads(2))).json()["job_id"]
    assert second != first


async def test_requests_without_a_key_make_a_job_each(jobs: httpx.AsyncClient) -> None:
    fields = {"session_id": await new_session(jobs, SCENES[:1])}
    made = [await jobs.post("/jobs", data=fields, files=uploads(1)) for _ in range(2)]
    assert len({answer.json()["job_id"] for answer in made}) == 2


async def test_a_key_is_known_after_a_restart(tmp_path: Path) -> None:
    made: list[str] = []
    for _ in range(2):
        app = create_app(Settings(jobs_dir=tmp_path / "jobs"), engine=FakeEngine())
        async with running(app) as client:
            if not made:
                session_id = await new_session(client, SCENES[:1])
            made.append((await post(client, session_id, uploads(1))).json()["job_id"])
    assert made[0] == made[1]


async def test_owners_have_keys_of_their_own(tmp_path: Path) -> None:
    keys = {name: new_key() for name in ("one", "two")}
    path = tmp_path / "keys"
    path.write_text("\n".join(key_line(name, key) for name, key in keys.items()))
    settings = Settings(jobs_dir=tmp_path / "jobs", api_keys_file=path)
    app = create_app(settings, engine=FakeEngine())
    made = set()
    async with running(app) as client:
        for key in keys.values():
            client.headers["X-API-Key"] = key
            session_id = await new_session(client, SCENES[:1])
            made.add((await post(client, session_id, uploads(1))).json()["job_id"])
    assert len(made) == 2
