"""What is told of jobs, what becomes of old ones, and what fields of a request they keep."""

import asyncio
import io
import json
import threading
import time
import zipfile
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from model.contract import SupportSet
from service.access import key_line, new_key
from service.app import create_app
from service.capacity import ClientCapacity
from service.engine import FakeEngine, ImageU8, Predictions
from service.errors import (
    DeadlineExceededError,
    ImageMissingError,
    InferenceError,
    QueueFullError,
    ServiceError,
)
from service.formats import export_dataset
from service.jobs import JobDesk, JobImages, JobQuota, JobRunner
from service.jobs.store import JobStore
from service.schemas import JobResponse
from service.settings import Settings
from tests.service.clocks import ManualClock
from tests.service.http_api import assert_problem, listening, new_session, post_segment, running
from tests.service.jobs.job_calls import SCENES, ended, uploads
from tests.service.pictures import picture
from tests.service.scraping import scrape

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


class CountingEngine(FakeEngine):
    """Counts what it is asked for."""

    calls = 0

    async def segment(
        self, images: Sequence[ImageU8], classes: Sequence[SupportSet]
    ) -> Predictions:
        self.calls += 1
        return await super().segment(images, classes)


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    return create_app(Settings(jobs_dir=tmp_path / "jobs"), engine=FakeEngine())


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with running(app) as client:
        yield client


async def made(client: httpx.AsyncClient, count: int = 3, **fields: str) -> str:
    data = {"session_id": await new_session(client, SCENES[:1]), **fields}
    broken = ("images", ("broken.png", b"none"))
    response = await client.post("/jobs", data=data, files=[*uploads(count), broken])
    assert response.status_code == 202, response.text
    return str(response.json()["job_id"])


async def test_metrics_tell_of_jobs_and_not_whose(client: httpx.AsyncClient) -> None:
    told = await scrape(client)
    for outcome in ("done", "failed"):  # there from the start, or alerts would miss the first
        assert told.value("fss_job_images_total", outcome=outcome) == 0
    await ended(client, await made(client, 3))
    told = await scrape(client)
    assert told.value("fss_jobs", state="done") == 1
    assert told.value("fss_jobs", state="queued") == 0
    assert told.value("fss_job_images_total", outcome="done") == 3
    assert told.value("fss_job_images_total", outcome="failed") == 1
    assert told.value("fss_job_image_seconds_count") == 4


async def test_ended_jobs_are_forgotten_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock(time.time())
    monkeypatch.setattr("service.jobs.directory.JobStore", partial(JobStore, clock=clock))
    app = create_app(Settings(jobs_dir=tmp_path / "jobs", jobs_ttl_s=1000), engine=FakeEngine())
    async with running(app) as client:
        jobs = []
        for later_s in (0, 900, 200):
            clock.now += later_s
            jobs.append(await made(client))
            await ended(client, jobs[-1])
        left = [(await client.get(f"/jobs/{job_id}")).status_code for job_id in jobs]
    assert left == [404, 200, 200]
    assert {path.name for path in (tmp_path / "jobs" / "files").iterdir()} == set(jobs[1:])


@pytest.mark.parametrize(("mode", "tiled"), [("whole", False), ("tiled", True), ("auto", True)])
async def test_jobs_look_as_they_were_asked_to_and_take_no_place_for_tiles(
    tmp_path: Path, mode: str, tiled: bool
) -> None:
    engine = CountingEngine()
    settings = Settings(jobs_dir=tmp_path / "jobs", max_tiled_images=1)
    app = create_app(settings, engine=engine)
    async with running(app) as client, app.state.context.resources.tiling:
        small = picture(height=120, width=120, box=(54, 54, 12, 12))
        large = picture(height=900, width=1200, box=(300, 420, 12, 12))
        data = {"session_id": await new_session(client, [small]), "mode": mode}
        files = {"images": ("large.png", large.image_png)}
        response = await client.post("/jobs", data=data, files=files)
        assert (await ended(client, response.json()["job_id"]))["done"] == 1
    assert (engine.calls > 1) is tiled


async def left_meanwhile(
    client: httpx.AsyncClient, begun: threading.Event, released: threading.Event
) -> None:
    """A request for a job whose client leaves between the two events."""
    request = asyncio.create_task(made(client))
    await asyncio.to_thread(begun.wait, 10)
    request.cancel()
    await asyncio.sleep(0.05)
    released.set()
    with pytest.raises(asyncio.CancelledError):
        await request


async def test_a_request_that_goes_while_its_folder_is_made_leaves_none(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begun, released = threading.Event(), threading.Event()
    make = Path.mkdir

    def slow(path: Path, *arguments: Any, **options: Any) -> None:
        if path.parent.name == "files":
            begun.set()
            released.wait(10)
        make(path, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", slow)
    await left_meanwhile(client, begun, released)
    monkeypatch.undo()
    await client.get("/jobs")  # behind it, in a pool of two threads
    await client.get("/jobs")
    assert list((tmp_path / "jobs" / "files").iterdir()) == []


async def test_a_request_that_goes_while_its_job_is_made_leaves_none(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begun, released = threading.Event(), threading.Event()
    create = JobStore.create

    def slow(*arguments: Any) -> None:
        begun.set()
        released.wait(10)
        create(*arguments)

    monkeypatch.setattr(JobStore, "create", slow)
    await left_meanwhile(client, begun, released)
    assert (await client.get("/jobs")).json()["jobs"] == []
    assert list((tmp_path / "jobs" / "files").iterdir()) == []


class FailingEngine(CountingEngine):
    """Fails on its first images, as many as it is told."""

    def __init__(self, failures: int, error: ServiceError) -> None:
        super().__init__()
        self.failures, self.error = failures, error

    async def segment(
        self, images: Sequence[ImageU8], classes: Sequence[SupportSet]
    ) -> Predictions:
        answers = await super().segment(images, classes)
        if self.calls <= self.failures:
            raise self.error
        return answers


@pytest.mark.parametrize(
    ("error", "most"), [(DeadlineExceededError(), 5), (InferenceError(), 3)], ids=["late", "failed"]
)
@pytest.mark.parametrize("too_often", [0, 1])
async def test_an_image_that_may_not_be_at_fault_is_tried_again_but_not_for_ever(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: ServiceError,
    most: int,
    too_often: int,
) -> None:
    monkeypatch.setattr("service.jobs.back_off._FIRST_S", 0.001)
    engine = FailingEngine(most + too_often, error)
    app = create_app(Settings(jobs_dir=tmp_path / "jobs"), engine=engine)
    async with running(app) as client:
        data = {"session_id": await new_session(client, SCENES[:1])}
        response = await client.post("/jobs", data=data, files=uploads(1))
        job = await ended(client, response.json()["job_id"])
    assert (job["done"], job["failed"]) == (1 - too_often, too_often)
    assert [each["code"] for each in job["errors"]] == [error.code] * too_often


class FullEngine(CountingEngine):
    """Never has a place."""

    def __init__(self) -> None:
        super().__init__()
        self.refused_often = asyncio.Event()

    async def segment(
        self, images: Sequence[ImageU8], classes: Sequence[SupportSet]
    ) -> Predictions:
        await super().segment(images, classes)
        if self.calls == 3:
            self.refused_often.set()
        raise QueueFullError("too many images wait")


async def test_a_job_that_finds_no_place_can_be_cancelled_and_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.jobs.back_off._LONGEST_S", 0.01)
    engine = FullEngine()
    app = create_app(Settings(jobs_dir=tmp_path / "jobs"), engine=engine)
    async with running(app) as client:
        data = {"session_id": await new_session(client, SCENES[:1])}
        job_id = (await client.post("/jobs", data=data, files=uploads(2))).json()["job_id"]
        async with asyncio.timeout(30):
            await engine.refused_often.wait()
            cancelled = (await client.post(f"/jobs/{job_id}/cancel")).json()
            seen = -1
            while engine.calls != seen:  # it is at rest once nothing is asked any more
                seen = engine.calls
                await asyncio.sleep(0.2)
        assert (cancelled["state"], cancelled["done"], cancelled["failed"]) == ("cancelled", 0, 0)
        resumed = (await client.post(f"/jobs/{job_id}/resume")).json()
        assert (resumed["state"], resumed["total"]) == ("queued", 2)


async def test_results_that_take_long_hold_up_no_request(
    app: FastAPI, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = await made(client)
    await ended(client, job_id)
    session_id, released = await new_session(client, SCENES[:1]), threading.Event()

    def slow(*arguments: Any, **options: Any) -> None:
        released.wait(30)
        export_dataset(*arguments, **options)

    monkeypatch.setattr("service.jobs.results.export_dataset", slow)
    context = app.state.context
    access = replace(context.access, downloads=ClientCapacity(40, "downloads"))  # of 20 clients
    app.state.context = replace(context, access=access)
    asking = [asyncio.create_task(client.get(f"/jobs/{job_id}/results")) for _ in range(40)]
    async with asyncio.timeout(10):
        # Among them hashes and codecs, which are done in threads too.
        await asyncio.gather(*(asyncio.to_thread(time.sleep, 0) for _ in range(9)))
        (await post_segment(client, session_id, SCENES[:1])).raise_for_status()
        assert (await client.get(f"/jobs/{job_id}")).json()["state"] == "done"
    released.set()
    assert {(await each).status_code for each in asking} == {200}


@pytest.mark.parametrize(
    ("path", "capacity", "maximum"), [("events", "streams", 16), ("results", "downloads", 2)]
)
async def test_long_responses_of_one_client_are_bounded_until_they_end(
    app: FastAPI, client: httpx.AsyncClient, path: str, capacity: str, maximum: int
) -> None:
    job_id = await made(client)
    await ended(client, job_id)
    held = getattr(app.state.context.access, capacity)
    with ExitStack() as taken:
        for _ in range(maximum):  # as by responses that nobody has begun to read
            taken.enter_context(held.hold("address:127.0.0.1"))
        refused = await client.get(f"/jobs/{job_id}/{path}")
        assert_problem(refused, 429, "too_many_requests")
        elsewhere = httpx.ASGITransport(app, client=("192.0.2.1", 1))
        async with httpx.AsyncClient(transport=elsewhere, base_url=client.base_url) as other:
            assert (await other.get(f"/jobs/{job_id}/{path}")).status_code == 200
    assert (await client.get(f"/jobs/{job_id}/{path}")).status_code == 200
    for address in ("127.0.0.1", "192.0.2.1"):
        with held.hold(f"address:{address}", maximum):
            pass  # all that a client may hold: it holds nothing any more


class HeldEngine(CountingEngine):
    """Holds images until it is told, but for the first ones, as many as are free."""

    def __init__(self, free: int = 0) -> None:
        super().__init__()
        self.free = free
        self.entered, self.leave = asyncio.Event(), asyncio.Event()

    async def segment(
        self, images: Sequence[ImageU8], classes: Sequence[SupportSet]
    ) -> Predictions:
        answers = await super().segment(images, classes)
        if self.calls > self.free:
            self.entered.set()
            await self.leave.wait()
        return answers


async def looking(
    client: httpx.AsyncClient, job_id: str, headers: dict[str, str] | None = None
) -> asyncio.Task[httpx.Response]:
    """The events of a job, asked for by a client that has been told how far it is by now."""
    get, looks = JobDesk.get, asyncio.Semaphore(0)

    async def counted(desk: JobDesk, job_id: str, owner: str) -> JobResponse:
        looks.release()
        return await get(desk, job_id, owner)

    with pytest.MonkeyPatch.context() as meanwhile:
        meanwhile.setattr(JobDesk, "get", counted)
        told = asyncio.create_task(client.get(f"/jobs/{job_id}/events", headers=headers))
        async with asyncio.timeout(30):
            # That of the request, the first of its events, and the next: by then that is told.
            for _ in range(3):
                await looks.acquire()
    return told


async def told_after(
    client: httpx.AsyncClient, job_id: str, last_id: int, engine: HeldEngine
) -> list[int]:
    """The ids of the events of a job that a client gets which has seen one of them."""
    await asyncio.wait_for(engine.entered.wait(), 30)
    told = await looking(client, job_id, {"Last-Event-ID": str(last_id)})
    engine.leave.set()
    lines = (await told).text.splitlines()
    return [int(line.removeprefix("id: ")) for line in lines if line.startswith("id: ")]


async def test_events_go_on_behind_the_last_one_seen(tmp_path: Path) -> None:
    engine = HeldEngine(free=20)
    app = create_app(Settings(jobs_dir=tmp_path / "jobs"), engine=engine)
    async with running(app) as client:
        seen = await told_after(client, await made(client, 30, mode="whole"), 20, engine)
    assert seen == sorted(set(seen))
    assert min(seen) > 20
    assert seen[-1] == 31


async def test_a_client_that_comes_back_is_told_of_images_that_are_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, engine = JobImages.read, HeldEngine(free=5)

    def missing(images: JobImages, job_id: str, number: int) -> bytes:
        if number >= 5:
            raise ImageMissingError
        return read(images, job_id, number)

    app = create_app(Settings(jobs_dir=tmp_path / "jobs"), engine=engine)
    async with running(app) as client:
        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(JobImages, "read", missing)
            data = {"session_id": await new_session(client, SCENES[:1]), "mode": "whole"}
            job_id = (await client.post("/jobs", data=data, files=uploads(10))).json()["job_id"]
            assert (await ended(client, job_id))["failed"] == 5
        await client.post(f"/jobs/{job_id}/resume")
        seen = await told_after(client, job_id, 10, engine)
    assert (seen[0], seen[-1]) == (5, 10)


async def test_a_cancelled_job_ends_behind_the_image_at_work(tmp_path: Path) -> None:
    engine = HeldEngine()
    app = create_app(Settings(jobs_dir=tmp_path / "jobs"), engine=engine)
    async with running(app) as client:
        data = {"session_id": await new_session(client, SCENES[:1])}
        job_id = (await client.post("/jobs", data=data, files=uploads(3))).json()["job_id"]
        await asyncio.wait_for(engine.entered.wait(), 30)
        await client.post(f"/jobs/{job_id}/cancel")
        told = await looking(client, job_id)
        engine.leave.set()
        events = (await told).text
    assert "event: end" in events
    last = json.loads(events.rsplit("data: ", 1)[1].split("\n")[0])
    assert (last["state"], last["done"]) == ("cancelled", 1)


async def test_the_end_of_a_cancelled_job_counts_the_image_that_was_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, get, calls = HeldEngine(), JobDesk.get, list[str]()

    async def get_before_it_finished(desk: JobDesk, job_id: str, owner: str) -> JobResponse:
        job = await get(desk, job_id, owner)
        calls.append(job.state)
        if len(calls) == 2:  # the first one is that of the request, before its events
            engine.leave.set()
            while desk.at_work(job_id):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return job

    app = create_app(Settings(jobs_dir=tmp_path / "jobs"), engine=engine)
    async with running(app) as client:
        data = {"session_id": await new_session(client, SCENES[:1])}
        job_id = (await client.post("/jobs", data=data, files=uploads(3))).json()["job_id"]
        await asyncio.wait_for(engine.entered.wait(), 30)
        await client.post(f"/jobs/{job_id}/cancel")
        monkeypatch.setattr(JobDesk, "get", get_before_it_finished)
        events = (await client.get(f"/jobs/{job_id}/events")).text
    last = json.loads(events.rsplit("data: ", 1)[1].split("\n")[0])
    assert (last["state"], last["done"]) == ("cancelled", 1)


async def test_of_two_that_resume_a_job_one_is_too_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would set an image to pending that the run of the first has just failed."""
    async with running(
        create_app(Settings(jobs_dir=tmp_path / "jobs"), engine=FakeEngine())
    ) as client:
        data = {"session_id": await new_session(client, SCENES[:1])}
        broken = [("images", ("a.png", b"none"))]
        path = f"/jobs/{(await client.post('/jobs', data=data, files=broken)).json()['job_id']}"
        job = await ended(client, path.rpartition("/")[2])

        async def as_it_was(*_: Any) -> JobResponse:
            return JobResponse.model_validate(job)

        monkeypatch.setattr(JobStore, "waiting", lambda _: [])  # it stays where it is
        monkeypatch.setattr(JobDesk, "get", as_it_was)  # as both have read it
        assert (await client.post(f"{path}/resume")).status_code == 200
        assert_problem(await client.post(f"{path}/resume"), 409, "job_state")


async def test_results_can_be_fetched_by_a_client_that_knows_no_chunks(tmp_path: Path) -> None:
    async with listening(Settings(jobs_dir=tmp_path / "jobs"), FakeEngine()) as client:
        while (await client.get("/readyz")).status_code != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        data = {"session_id": await new_session(client, SCENES[:1])}
        job_id = (await client.post("/jobs", data=data, files=uploads(2))).json()["job_id"]
        await ended(client, job_id)
        reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
        writer.write(f"GET /jobs/{job_id}/results HTTP/1.0\r\n\r\n".encode())
        head, _, body = (await asyncio.wait_for(reader.read(), 30)).partition(b"\r\n\r\n")
        writer.close()
    assert b"transfer-encoding" not in head.lower()
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.testzip() is None


async def test_owners_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One image does not wait for the thousands that another owner has sent before."""
    keys = {name: new_key() for name in ("many", "few")}
    (tmp_path / "keys").write_text("\n".join(key_line(name, key) for name, key in keys.items()))
    settings = Settings(jobs_dir=tmp_path / "jobs", api_keys_file=tmp_path / "keys")
    engine, order = HeldEngine(), []
    finish = JobStore.finish_image

    def note(store: JobStore, job_id: str, *rest: Any) -> None:
        order.append(job_id)
        finish(store, job_id, *rest)

    monkeypatch.setattr(JobStore, "finish_image", note)
    monkeypatch.setattr("service.assembly.parts.JobRunner", partial(JobRunner, turn_s=0.0))
    async with running(create_app(settings, engine=engine)) as client:
        made = {}
        for name, count in (("many", 5), ("few", 1)):
            client.headers["X-API-Key"] = keys[name]
            fields = {"session_id": await new_session(client, SCENES[:1])}
            answer = await client.post("/jobs", data=fields, files=uploads(count))
            made[name] = answer.json()["job_id"]
            await asyncio.wait_for(engine.entered.wait(), 30)  # at work on the first image of many
        engine.leave.set()
        for name, job_id in made.items():
            client.headers["X-API-Key"] = keys[name]
            await ended(client, job_id)
    assert order == [made["many"], made["few"], *[made["many"]] * 4]


async def test_what_failed_images_took_does_not_count_for_those_tried_again(tmp_path: Path) -> None:
    with closing(JobStore(tmp_path / "jobs")) as store:
        store.create("job", "", "{}", [f"{number}.png" for number in range(10)], 10)
        for number in range(10):
            store.finish_image("job", number, 3.0, ("corrupt_image", "") if number else None)
        store.move("job", "done", among=("queued",))
        assert store.resume("job")
        (job,) = store.of_owner("")
    assert (job.done, job.failed) == (1, 0)
    assert job.seconds == pytest.approx(3.0)


async def test_reserving_bytes_does_not_wait_for_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, released = threading.Event(), threading.Event()

    def slow(_: str) -> int:
        asked.set()
        released.wait(30)
        return 0

    with closing(JobStore(tmp_path / "jobs")) as store:
        quota = JobQuota(store, max_jobs=9, max_owner_bytes=1000, max_bytes=1000)
        with quota.arrival("") as take:
            monkeypatch.setattr(store, "count_of_owner", slow)
            second = quota.arrival("else")
            entering = asyncio.create_task(asyncio.to_thread(second.__enter__))
            assert await asyncio.to_thread(asked.wait, 10)
            await asyncio.wait_for(asyncio.to_thread(take, 10), 5)
            assert not entering.done()
            released.set()
            await entering
            second.__exit__(None, None, None)
        await entering
        second.__exit__(None, None, None)
