"""What is told of jobs, what becomes of old ones, and what fields of a request they keep."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from model.contract import SupportSet
from service.app import create_app
from service.engine import Answers, FakeEngine, ImageU8
from service.jobs import Folders, JobImages, JobRunner
from service.jobs.store import JobStore
from service.settings import Settings
from service.telemetry import JobMetrics
from tests.service.http_api import new_session, running
from tests.service.jobs.job_calls import SCENES, ended, uploads
from tests.service.pictures import picture
from tests.service.scraping import scrape


class CountingEngine(FakeEngine):
    """Counts what it is asked for."""

    calls = 0

    async def segment(self, images: Sequence[ImageU8], classes: Sequence[SupportSet]) -> Answers:
        self.calls += 1
        return await super().segment(images, classes)


class Clock:
    """Is that many seconds ahead, and tells when it is asked."""

    def __init__(self, ahead_s: float) -> None:
        self.asked = threading.Semaphore(0)
        self._ahead_s = ahead_s

    def __call__(self) -> float:
        self.asked.release()
        return time.time() + self._ahead_s


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(jobs_dir=tmp_path / "jobs")
    async with running(create_app(settings, engine=FakeEngine())) as client:
        yield client


async def made(client: httpx.AsyncClient, count: int = 3, **fields: str) -> str:
    data = {"session_id": await new_session(client, SCENES[:1]), **fields}
    broken = ("images", ("broken.png", b"none"))
    response = await client.post("/jobs", data=data, files=[*uploads(count), broken])
    assert response.status_code == 202, response.text
    return str(response.json()["job_id"])


async def test_events_go_on_behind_the_last_one_seen(client: httpx.AsyncClient) -> None:
    path = f"/jobs/{await made(client, 30)}/events"
    seen = []
    async with client.stream("GET", path, headers={"Last-Event-ID": "10"}) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data: "):
                job = json.loads(line.removeprefix("data: "))
                seen.append(job["done"] + job["failed"])
    assert seen == sorted(set(seen))
    assert min(seen) > 10
    assert seen[-1] == 31


async def test_metrics_tell_of_jobs_and_not_whose(client: httpx.AsyncClient) -> None:
    await ended(client, await made(client, 3))
    told = await scrape(client)
    assert told.value("fss_jobs", state="done") == 1
    assert told.value("fss_jobs", state="queued") == 0
    assert told.value("fss_job_images_total", outcome="done") == 3
    assert told.value("fss_job_images_total", outcome="failed") == 1
    assert told.value("fss_job_image_seconds_count") == 4


async def test_ended_jobs_are_forgotten_in_time(tmp_path: Path) -> None:
    app = create_app(Settings(jobs_dir=tmp_path / "jobs"), engine=FakeEngine())
    async with running(app) as client:
        job_id = await made(client)
        await ended(client, job_id)
    store = JobStore(tmp_path / "jobs")
    images = JobImages(store, Folders(()), max_bytes=1)
    for later_s, left in ((900, 1), (1100, 0)):
        clock = Clock(later_s)
        runner = JobRunner(
            store,
            app.state.context.resources,
            images,
            JobMetrics(),
            ttl_s=1000,
            clock=clock,
        )
        runner.start()
        for _ in range(2):  # asked again, it is through with what it was asked for before
            assert await asyncio.to_thread(clock.asked.acquire, timeout=30)
            runner.wake()
        await runner.stop()
        assert len(store.of_owner("")) == left
    assert not store.folder(job_id).exists()
    store.close()


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
    request = asyncio.create_task(made(client))
    await asyncio.to_thread(begun.wait, 10)
    request.cancel()
    await asyncio.sleep(0.05)
    released.set()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert (await client.get("/jobs")).json()["jobs"] == []
    assert list((tmp_path / "jobs" / "files").iterdir()) == []
