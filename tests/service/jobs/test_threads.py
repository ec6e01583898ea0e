"""What takes long for one client holds up no other, and not the end of the service."""

import asyncio
import shutil
import threading
import zipfile
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from service.app import create_app
from service.engine import FakeEngine
from service.errors import NotReadyError
from service.formats import export_dataset
from service.jobs import JobThreads, creation
from service.jobs.archives import unpack_images
from service.settings import Settings
from tests.service.http_api import assert_problem, listening, new_session, running
from tests.service.jobs.job_calls import SCENES, ended, results, uploads, zipped

KEY = {"Idempotency-Key": "made-by-the-client"}
# pycocotools is older than NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    return create_app(Settings(jobs_dir=tmp_path / "jobs"), engine=FakeEngine())


@asynccontextmanager
async def another_client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, client=("192.0.2.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client


async def post(
    client: httpx.AsyncClient, files: Any, headers: dict[str, str] | None = None, **fields: Any
) -> httpx.Response:
    data = {"session_id": await new_session(client, SCENES[:1]), **fields}
    return await client.post("/jobs", data=data, files=files, headers=headers)


def archive(name: str) -> list[tuple[str, tuple[str, bytes]]]:
    return [("archive", ("a.zip", zipped({name: SCENES[1].image_png})))]


async def test_archives_of_one_client_leave_others_a_thread(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def unpack(path: Path, *arguments: Any, **options: Any) -> list[str]:
        with zipfile.ZipFile(path) as source:
            if source.namelist() == ["large.png"]:
                begun.set()
                assert go_on.wait(30)
        return unpack_images(path, *arguments, **options)

    monkeypatch.setattr(creation, "unpack_images", unpack)
    async with running(app) as client, another_client(app) as other:
        old = (await post(other, uploads(1))).json()["job_id"]
        large = [asyncio.create_task(post(client, archive("large.png"))) for _ in range(3)]
        assert await asyncio.to_thread(begun.wait, 30)
        async with asyncio.timeout(15):
            assert (await post(other, archive("small.png"))).status_code == 202
            assert (await post(other, uploads(1), KEY)).status_code == 202
            assert (await post(client, uploads(1))).status_code == 202
            assert (await other.delete(f"/jobs/{old}")).status_code == 204
        go_on.set()
        assert {(await each).status_code for each in large} == {202}


async def test_archives_hold_up_nothing_that_is_short(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work, go_on = threading.Semaphore(0), threading.Event()

    def unpack(*arguments: Any, **options: Any) -> list[str]:
        at_work.release()
        assert go_on.wait(30)
        return unpack_images(*arguments, **options)

    monkeypatch.setattr(creation, "unpack_images", unpack)
    async with running(app) as client, another_client(app) as other:
        old = (await post(client, uploads(1))).json()["job_id"]
        large = [asyncio.create_task(post(each, archive("a.png"))) for each in (client, other)]
        for _ in large:  # all threads that there are for archives
            assert await asyncio.to_thread(at_work.acquire, timeout=30)
        async with asyncio.timeout(15):
            assert (await post(client, uploads(1), KEY)).status_code == 202
            assert (await client.delete(f"/jobs/{old}")).status_code == 204
        go_on.set()
        assert {(await each).status_code for each in large} == {202}


async def test_results_of_one_client_leave_others_a_thread(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def export(images: Any, classes: Any, formats: Sequence[str], *rest: Any, **more: Any) -> None:
        if formats == ["coco"]:
            begun.set()
            assert go_on.wait(30)
        export_dataset(images, classes, formats, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("service.jobs.results.export_dataset", export)
    async with running(app) as client, another_client(app) as other:
        made = {
            name: (await post(client, uploads(1), formats=name)).json()["job_id"]
            for name in ("coco", "png")
        }
        for job_id in made.values():
            await ended(client, job_id)
        path = f"/jobs/{made['coco']}/results"
        large = [asyncio.create_task(client.get(path)) for _ in range(2)]
        assert await asyncio.to_thread(begun.wait, 30)
        async with asyncio.timeout(15):
            results(await other.get(f"/jobs/{made['png']}/results"))
        go_on.set()
        for each in large:
            results(await each)


async def test_jobs_need_none_of_the_threads_of_requests(app: FastAPI, tmp_path: Path) -> None:
    loop, released = asyncio.get_running_loop(), threading.Event()
    async with running(app) as client:
        session_id = await new_session(client, SCENES[:1])
        with ThreadPoolExecutor(1) as threads:
            loop.set_default_executor(threads)
            held = loop.run_in_executor(None, released.wait, 60)
            try:
                async with asyncio.timeout(30):
                    data = {"session_id": session_id}
                    made = await client.post("/jobs", data=data, files=uploads(2))
                    path = f"/jobs/{made.json()['job_id']}"
                    assert (await ended(client, made.json()["job_id"]))["done"] == 2
                    results(await client.get(f"{path}/results"))
                    assert (await client.delete(path)).status_code == 204
                    refused = await client.post("/jobs", files=uploads(2))
                    assert_problem(refused, 422, "invalid_request")
            finally:
                released.set()
            assert await held
            loop.set_default_executor(ThreadPoolExecutor(2))
    assert list((tmp_path / "jobs" / "files").iterdir()) == []


async def test_requests_do_not_wait_for_the_removal_of_what_arrived(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begun, go_on, remove = threading.Event(), threading.Event(), shutil.rmtree

    def slowly(path: Path, **options: Any) -> None:
        begun.set()
        assert go_on.wait(30)
        remove(path, **options)

    monkeypatch.setattr(shutil, "rmtree", slowly)
    async with running(app) as client:
        aborted = [asyncio.create_task(client.post("/jobs", files=uploads(1))) for _ in range(8)]
        assert await asyncio.to_thread(begun.wait, 30)
        async with asyncio.timeout(15):
            assert (await post(client, uploads(1))).status_code == 202
        go_on.set()
        for each in aborted:
            assert_problem(await each, 422, "invalid_request")
    assert len(list((tmp_path / "jobs" / "files").iterdir())) == 1


@pytest.mark.parametrize(
    ("step", "headers"), [("unpack_images", {}), ("_fingerprint", KEY), ("unpack_images", KEY)]
)
async def test_a_service_that_stops_waits_for_no_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, headers: dict[str, str]
) -> None:
    begun, stopped = threading.Event(), threading.Event()
    whole, stop, close = getattr(creation, step), JobThreads.stop, JobThreads.close
    cut_short, left = list[str](), list[Path]()

    def begin(*arguments: Any, **options: Any) -> Any:
        begun.set()
        assert stopped.wait(30)
        try:
            return whole(*arguments, **options)
        except NotReadyError:
            cut_short.append(step)
            raise

    def stop_and_tell(threads: JobThreads) -> None:
        stop(threads)
        stopped.set()

    async def look_and_close(threads: JobThreads) -> None:
        left.extend((tmp_path / "jobs" / "files").iterdir())
        await close(threads)

    monkeypatch.setattr(creation, step, begin)
    monkeypatch.setattr(JobThreads, "stop", stop_and_tell)
    monkeypatch.setattr(JobThreads, "close", look_and_close)
    settings = Settings(jobs_dir=tmp_path / "jobs", drain_s=0)
    async with httpx.AsyncClient(timeout=60) as staying:
        async with listening(settings, FakeEngine()) as client:
            while (await client.get("/readyz")).status_code != 200:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            staying.base_url = client.base_url
            asked = asyncio.create_task(post(staying, archive("a.png"), headers))
            assert await asyncio.to_thread(begun.wait, 30)
        assert_problem(await asked, 503, "not_ready")
    assert (cut_short, left) == ([step], [])


async def test_a_cancellation_withdraws_what_takes_long_and_waits_for_a_removal() -> None:
    threads, at_work, go_on = JobThreads(), threading.Semaphore(0), threading.Event()
    done = list[str]()

    def block() -> None:
        at_work.release()
        assert go_on.wait(30)

    for begin, name in ((threads.keep, "kept"), (threads.remove, "removed")):
        blocking = [asyncio.create_task(begin(block)) for _ in range(2)]  # all threads there are
        for _ in blocking:
            assert await asyncio.to_thread(at_work.acquire, timeout=30)
        queued = asyncio.create_task(begin(partial(done.append, name)))
        await asyncio.sleep(0)  # it is in the queue now
        queued.cancel()
        await asyncio.wait({queued}, timeout=0.1)
        assert queued.cancelled() is (name == "kept")
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await queued
        await asyncio.gather(*blocking)
        go_on.clear()
    await threads.close()
    assert done == ["removed"]


async def test_nobody_waits_for_a_turn_that_cannot_come() -> None:
    threads = JobThreads()
    await threads.close()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="shutdown"):
            async with asyncio.timeout(10):
                await threads.pack("client", list)
