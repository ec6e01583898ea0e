"""Jobs over HTTP: what is asked for is found in the results, whatever happens in between."""

import asyncio
import io
import json
import re
import shutil
import signal
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from starlette.types import Message

from service.access import key_line, new_key
from service.app import create_app
from service.engine import FakeEngine
from service.formats import LabelledImage
from service.schemas import ImageResult
from service.settings import Settings
from tests.service.engines import BusyEngine
from tests.service.http_api import assert_problem, new_session, running
from tests.service.jobs.job_calls import (
    SCENES,
    ended,
    post_and_leave,
    results,
    uploads,
    zipped,
)
from tests.service.pictures import iou
from tests.service.processes import STOP_TIMEOUT_S, register, serving

# pycocotools is older than NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
async def jobs(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service with jobs."""
    settings = Settings(jobs_dir=tmp_path / "jobs")
    async with running(create_app(settings, engine=FakeEngine())) as client:
        yield client


async def test_the_packing_of_results_ends_when_their_client_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packing, left = threading.Event(), threading.Event()
    packed: list[str] = []

    def slowly(name: str, result: ImageResult) -> LabelledImage:
        packed.append(name)
        packing.set()
        assert left.wait(30)
        return from_result(name, result)

    from_result = LabelledImage.from_result
    app = create_app(Settings(jobs_dir=tmp_path / "jobs"), engine=FakeEngine())
    async with running(app) as client:
        fields = {"session_id": await new_session(client, SCENES[:1])}
        made = (await client.post("/jobs", data=fields, files=uploads(4))).json()
        await ended(client, made["job_id"])
        monkeypatch.setattr("service.jobs.results.LabelledImage.from_result", slowly)
        path, sent = f"/jobs/{made['job_id']}/results", list[Message]()

        async def receive() -> Message:
            await asyncio.to_thread(packing.wait, 30)
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
        await app(scope, receive, send)
        assert sent == []
        left.set()
        monkeypatch.undo()
        whole = results(await client.get(path))
        assert len([name for name in whole.namelist() if "masks/labels" in name]) == 4
    assert len(packed) == 1


async def test_jobs_go_on_where_requests_would_wait_for_too_long(tmp_path: Path) -> None:
    engine = BusyEngine("busy")
    app = create_app(Settings(jobs_dir=tmp_path / "jobs"), engine=engine)
    async with running(app) as client:
        fields = {"session_id": await new_session(client, SCENES[:1])}
        engine.busy_s = 99.0
        made = (await client.post("/jobs", data=fields, files=uploads(2))).json()
        assert (await ended(client, made["job_id"]))["done"] == 2


async def test_no_job_is_made_for_a_client_that_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two that it sends, one behind the other, one would be too many."""
    app = create_app(Settings(jobs_dir=tmp_path / "jobs"), engine=FakeEngine())
    async with running(app) as client:
        fields = {"session_id": await new_session(client, SCENES[:1])}
        packed = zipped({"a.png": SCENES[1].image_png})
        request = client.build_request(
            "POST", "/jobs", data=fields, files=[("archive", ("a.zip", packed))]
        )
        assert await post_and_leave(app, request, monkeypatch) == []
        assert (await client.get("/jobs")).json() == {"jobs": []}
    assert not list((tmp_path / "jobs" / "files").iterdir())


async def test_uploads_and_zip_are_segmented_and_exported(jobs: httpx.AsyncClient) -> None:
    session_id = await new_session(jobs, SCENES[:1])
    packed = {
        "deep/x.png": SCENES[2].image_png,
        "../../escape.png": SCENES[3].image_png,
        "broken.JFIF": b"none",
        "readme.txt": b"none",
        "nested.zip": zipped({"y.png": SCENES[0].image_png}),
    }
    response = await jobs.post(
        "/jobs",
        data={"session_id": session_id},
        files=[*uploads(2), ("archive", ("all.zip", zipped(packed)))],
    )
    assert response.status_code == 202, response.text
    assert re.fullmatch("[0-9a-f]{48}", response.json()["job_id"])  # no option of a command
    await jobs.delete(f"/sessions/{session_id}")  # the job has its own copy
    job = await ended(jobs, response.json()["job_id"])
    assert (job["state"], job["total"], job["done"], job["failed"]) == ("done", 5, 4, 1)
    assert [(each["file_name"], each["code"]) for each in job["errors"]] == [
        ("broken.JFIF", "unsupported_image")
    ]
    archive = results(await jobs.get(f"/jobs/{job['job_id']}/results"))
    assert json.loads(archive.read("coco.json"))["categories"][0]["name"] == "thing"
    for stem, scene in zip(("line/0", "line/1", "deep/x", "escape"), SCENES, strict=True):
        with Image.open(io.BytesIO(archive.read(f"masks/labels/{stem}.png"))) as image:
            assert iou(np.asarray(image) == 1, scene.mask) > 0.8
        assert archive.read(f"yolo/labels/{stem}.txt").startswith(b"0 ")
        assert json.loads(archive.read(f"geojson/{stem}.geojson"))["features"]
    assert (await jobs.get("/jobs")).json()["jobs"][0]["job_id"] == job["job_id"]
    deleted = await jobs.delete(f"/jobs/{job['job_id']}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert "content-type" not in deleted.headers
    assert_problem(await jobs.get(f"/jobs/{job['job_id']}"), 404, "job_not_found")


async def test_cancelled_job_goes_on_and_tells_of_it(jobs: httpx.AsyncClient) -> None:
    session_id = await new_session(jobs, SCENES[:1])
    fields = {"session_id": session_id, "formats": "coco"}
    job = (await jobs.post("/jobs", data=fields, files=uploads(60))).json()
    path = f"/jobs/{job['job_id']}"
    assert_problem(await jobs.get(f"{path}/results"), 409, "job_state")
    cancelled = (await jobs.post(f"{path}/cancel")).json()
    assert cancelled["state"] == "cancelled"
    assert (await jobs.post(f"{path}/resume")).json()["state"] in ("queued", "running")
    events = (await jobs.get(f"{path}/events")).text
    assert "event: end" in events
    assert json.loads(events.rpartition("data: ")[2].strip())["done"] == 60
    late = (await jobs.get(f"{path}/events", headers={"Last-Event-ID": "59"})).text
    assert "event: progress" not in late
    archive = results(await jobs.get(f"{path}/results"))
    assert archive.namelist() == ["coco.json"]
    assert len(json.loads(archive.read("coco.json"))["images"]) == 60


async def test_bad_requests_leave_nothing_behind(jobs: httpx.AsyncClient, tmp_path: Path) -> None:
    fields = {"session_id": await new_session(jobs, SCENES[:1])}
    no_zip = await jobs.post("/jobs", data=fields, files=[("archive", ("a.zip", b"PK\3\4"))])
    assert_problem(no_zip, 422, "invalid_request")
    assert_problem(
        await jobs.post("/jobs", data=fields | {"classes": "x"}, files=uploads(1)),
        404,
        "class_not_found",
    )
    empty = await jobs.post("/jobs", data=fields, files=[("archive", ("a.zip", zipped({})))])
    assert_problem(empty, 422, "invalid_request")
    assert list((tmp_path / "jobs" / "files").iterdir()) == []


def _part(name: str, content: bytes, file_name: str = "") -> bytes:
    head = f'--b\r\nContent-Disposition: form-data; name="{name}"; filename="{file_name}"\r\n\r\n'
    return head.encode() + content + b"\r\n"


async def test_file_fields_left_empty_are_no_files(jobs: httpx.AsyncClient, tmp_path: Path) -> None:
    """As HTML forms send them; an image without a name is called `image`."""
    headers = {
        "Content-Type": "multipart/form-data; boundary=b",
        "X-Session-ID": await new_session(jobs, SCENES[:1]),
    }
    image, empty = SCENES[0].image_png, _part("images", b"") + _part("archive", b"")
    none = await jobs.post("/jobs", content=empty + b"--b--\r\n", headers=headers)
    assert "no images" in assert_problem(none, 422, "invalid_request")["detail"]
    body = empty + _part("images", image) + _part("images", image, "b.png") + b"--b--\r\n"
    job_id = (await jobs.post("/jobs", content=body, headers=headers)).json()["job_id"]
    assert (await ended(jobs, job_id))["done"] == 2
    kept = {path.name for path in (tmp_path / "jobs" / "files" / job_id).iterdir()}
    assert kept == {"0", "1", "0.json", "1.json", "session.safetensors"}
    names = results(await jobs.get(f"/jobs/{job_id}/results")).namelist()
    assert {"masks/labels/image.png", "masks/labels/b.png"} <= set(names)
    zip_part = _part("archive", zipped({"a.png": image}), "a.zip")
    body = zip_part + _part("archive", b"") + b"--b--\r\n"
    job_id = (await jobs.post("/jobs", content=body, headers=headers)).json()["job_id"]
    assert (await ended(jobs, job_id))["done"] == 1


async def test_a_format_named_twice_is_written_once(jobs: httpx.AsyncClient) -> None:
    fields = {"session_id": await new_session(jobs, SCENES[:1]), "formats": ["coco", "coco"]}
    job_id = (await jobs.post("/jobs", data=fields, files=uploads(1))).json()["job_id"]
    await ended(jobs, job_id)
    assert results(await jobs.get(f"/jobs/{job_id}/results")).namelist() == ["coco.json"]


async def test_specks_are_left_out_where_asked(jobs: httpx.AsyncClient) -> None:
    fields = {"session_id": await new_session(jobs, SCENES[:1]), "formats": "coco"}

    async def found(**option: object) -> list[int]:
        """The area of each object."""
        response = await jobs.post("/jobs", data={**fields, **option}, files=uploads(1))
        job_id = response.json()["job_id"]
        await ended(jobs, job_id)
        coco = json.loads(results(await jobs.get(f"/jobs/{job_id}/results")).read("coco.json"))
        return [each["area"] for each in coco["annotations"]]

    (area,) = await found()
    assert await found(min_area=area) == [area]
    assert await found(min_area=area + 1) == []
    response = await jobs.post("/jobs", data={**fields, "min_area": -1}, files=uploads(1))
    assert_problem(response, 422, "invalid_request")


async def test_a_form_without_files_that_is_not_multipart_is_told_what_to_be(
    jobs: httpx.AsyncClient,
) -> None:
    urlencoded = await jobs.post("/jobs", data={"folder": "/data"})
    problem = assert_problem(urlencoded, 415, "unsupported_media_type")
    assert "multipart/form-data, also where it holds no file" in problem["detail"]


async def test_a_result_written_while_its_job_is_deleted_is_not_kept(
    jobs: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(folder: Path, **options: object) -> None:
        # What the runner does with a result, between the listing of the folder and its removal.
        with pytest.raises(FileNotFoundError):
            (tmp_path / "jobs" / "files" / job_id / "7.part").write_text("late")
        rmtree(folder, **options)  # type: ignore[arg-type]

    rmtree = shutil.rmtree
    session_id = await new_session(jobs, SCENES[:1])
    made = await jobs.post("/jobs", data={"session_id": session_id}, files=uploads(2))
    job_id = made.json()["job_id"]
    await ended(jobs, job_id)
    monkeypatch.setattr("service.jobs.store.shutil.rmtree", late)
    assert (await jobs.delete(f"/jobs/{job_id}")).status_code == 204
    assert list((tmp_path / "jobs" / "files").iterdir()) == []


async def test_owners_do_not_see_each_others_jobs(tmp_path: Path) -> None:
    keys = {name: new_key() for name in ("one", "two")}
    path = tmp_path / "keys"
    path.write_text("\n".join(key_line(name, key) for name, key in keys.items()))
    settings = Settings(jobs_dir=tmp_path / "jobs", api_keys_file=path)
    async with running(create_app(settings, engine=FakeEngine())) as client:
        client.headers["X-API-Key"] = keys["one"]
        fields = {"session_id": await new_session(client, SCENES[:1])}
        job_id = (await client.post("/jobs", data=fields, files=uploads(1))).json()["job_id"]
        client.headers["X-API-Key"] = keys["two"]
        assert_problem(await client.get(f"/jobs/{job_id}"), 404, "job_not_found")
        assert_problem(await client.delete(f"/jobs/{job_id}"), 404, "job_not_found")
        assert (await client.get("/jobs")).json() == {"jobs": []}


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_ended_service_goes_on_where_it_was(
    tmp_path: Path, tiny_bundle: Path, end: signal.Signals
) -> None:
    environment = {"FSS_JOBS_DIR": str(tmp_path / "jobs"), "FSS_BUNDLE": str(tiny_bundle)}
    with serving(tmp_path / "first.log", environment) as server:
        scene = SCENES[0]
        session = server.client.post(
            "/support",
            data={"class_name": "thing"},
            files={"images": scene.image_png, "masks": scene.mask_png},
        ).json()
        fields = {"session_id": session["session_id"], "formats": ["coco"]}
        job = server.client.post("/jobs", data=fields, files=uploads(40)).json()
        path = f"/jobs/{job['job_id']}"
        deadline = time.monotonic() + 120
        while not (before := server.client.get(path).json())["done"]:
            assert time.monotonic() < deadline, "no image was done in time"
        server.process.send_signal(end)
        status = server.process.wait(STOP_TIMEOUT_S)
        assert status == -end
    assert before["done"] < 40
    with serving(tmp_path / "second.log", environment) as server:
        assert server.client.get(path).json()["done"] >= before["done"]
        assert "event: end" in server.client.get(f"{path}/events").text
        assert server.client.get(path).json()["done"] == 40
        coco = json.loads(results(server.client.get(f"{path}/results")).read("coco.json"))
        assert [image["id"] for image in coco["images"]] == list(range(1, 41))


def test_results_are_kept_where_text_is_ascii_by_default(tmp_path: Path) -> None:
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    environment = {"FSS_ENGINE": "fake", "FSS_JOBS_DIR": str(tmp_path / "jobs"), **locale}
    with serving(tmp_path / "log", environment) as server:
        support = {"images": SCENES[0].image_png, "masks": SCENES[0].mask_png}
        data = {"class_name": "部品"}
        session = server.client.post("/support", data=data, files=support).json()
        fields = {"session_id": session["session_id"], "formats": ["coco"]}
        job = server.client.post("/jobs", data=fields, files=uploads(1)).json()
        path = f"/jobs/{job['job_id']}"
        deadline = time.monotonic() + 20
        while server.client.get(path).json()["state"] != "done":
            assert time.monotonic() < deadline, "the job was not done in time"
        coco = json.loads(results(server.client.get(f"{path}/results")).read("coco.json"))
    assert len(coco["annotations"]) == 1


def test_a_stream_of_events_ends_whole_where_the_service_is_stopped(tmp_path: Path) -> None:
    environment, log = {"FSS_JOBS_DIR": str(tmp_path / "jobs")}, tmp_path / "log"
    # sse_starlette looks at the server each half second, so it sees the end before the stream does.
    command = ("tests.service.slow_service", "0.1", "1.5")
    with serving(log, environment, command=command) as server:
        fields = {"session_id": register(server.client)}
        job = server.client.post("/jobs", data=fields, files=uploads(100)).json()
        with server.client.stream("GET", f"/jobs/{job['job_id']}/events") as stream:
            lines = stream.iter_lines()
            next(lines)
            server.process.send_signal(signal.SIGTERM)
            rest = list(lines)  # httpx raises where the last chunk is missing
        assert server.process.wait(STOP_TIMEOUT_S) == -signal.SIGTERM
    assert "event: end" not in rest
    assert '"level": "error"' not in log.read_text()
