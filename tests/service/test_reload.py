"""Bundles come and go while the service works: a real process, real bundles, SIGHUP."""

import asyncio
import json
import shutil
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from model.contract import MANIFEST_FILE, file_sha256
from model.runtime import BundleRuntime, Encoded
from service.app import create_app
from service.settings import Settings
from tests.service.http_api import assert_problem, new_session, post_segment, running
from tests.service.pictures import Picture, picture
from tests.service.processes import Server, serving
from tests.service.scraping import parse
from tests.service.tiny_bundle import write_tiny_bundle

TIMEOUT_S = 60


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """`tiny@1` and `other@1`."""
    write_tiny_bundle(tmp_path / "bundles" / "tiny-1", revision="1")
    write_tiny_bundle(tmp_path / "bundles" / "other-1", name="other", revision="1")
    return tmp_path / "bundles"


@pytest.fixture
def app(settings: Settings, folder: Path) -> FastAPI:
    changes = {"bundle": folder / "tiny-1", "bundles": folder, "prediction_cache_bytes": 0}
    return create_app(settings.model_copy(update=changes))


def served(response: httpx.Response) -> list[str]:
    return [each["model"] for each in response.json()["models"]]


async def reloaded(app: FastAPI, client: httpx.AsyncClient, *, refused: int) -> list[str]:
    """What is served once the bundles were looked at again and so many were refused."""
    watcher = app.state.bundle_watcher
    watcher.refused = -1
    watcher.reload()
    async with asyncio.timeout(TIMEOUT_S):
        while watcher.refused < 0:
            await client.get("/healthz")
            await asyncio.sleep(0.01)  # else the watcher's thread would hardly have a turn
    assert watcher.refused == refused
    gauge = parse((await client.get("/metrics")).text)
    assert gauge.value("fss_bundles_refused") == refused
    return served(await client.get("/models"))


def register(client: httpx.Client, model: str | None = None) -> httpx.Response:
    scene = picture()
    return client.post(
        "/support",
        data={"class_name": "thing"} | ({} if model is None else {"model": model}),
        files={"images": scene.image_png, "masks": scene.mask_png},
    )


def segment(client: httpx.Client, session: str, scene: Picture) -> httpx.Response:
    return client.post("/segment", data={"session_id": session}, files={"images": scene.image_png})


@contextmanager
def load(server: Server, session: str) -> Iterator[list[int]]:
    """Requests one after another on a thread until the block ends; their statuses."""
    statuses: list[int] = []
    over = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=server.client.base_url, timeout=TIMEOUT_S) as client:
            while not over.is_set():
                scene = picture(seed=len(statuses))
                statuses.append(segment(client, session, scene).status_code)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield statuses
    finally:
        over.set()
        thread.join(TIMEOUT_S)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_bundles_come_and_go_under_load_without_a_lost_request(
    tmp_path: Path, folder: Path
) -> None:
    environment = {"FSS_BUNDLE": str(folder / "tiny-1"), "FSS_BUNDLES": str(folder)}
    with serving(tmp_path / "log", environment) as server:
        client = server.client
        session = register(client).json()["session_id"]
        others = register(client, "other").json()["session_id"]
        with load(server, session) as statuses, load(server, others) as until_gone:
            write_tiny_bundle(folder / "tiny-2", revision="2")
            server.process.send_signal(signal.SIGHUP)
            until(lambda: "tiny@2" in served(client.get("/models")))
            assert served(client.get("/models")) == ["tiny@2", "other@1", "tiny@1"]
            assert register(client).json()["model"] == "tiny@2"
            until(lambda: bool(until_gone))
            assert set(until_gone) == {200}
            shutil.rmtree(folder / "other-1")
            server.process.send_signal(signal.SIGHUP)
            server.log_with('"model unloaded"')
            seen = len(statuses)
            until(lambda: len(statuses) > seen + 2)
        assert set(statuses) == {200}
        assert until_gone == sorted(until_gone)  # 200 up to the switch, then 409
        assert set(until_gone) <= {200, 409}
        problem = assert_problem(segment(client, others, picture()), 409, "model_mismatch")
        assert "other@1, which is not served here; register its classes again" in problem["detail"]
        assert client.get(f"/sessions/{others}/archive").status_code == 200
        assert served(client.get("/models")) == ["tiny@2", "tiny@1"]
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(TIMEOUT_S) == -signal.SIGTERM


def alter(bundle: Path) -> None:
    with (bundle / "head.onnx").open("ab") as head:
        head.write(b"\0")


def break_graph(bundle: Path) -> None:
    """Bytes that are no network, hashed as they are."""
    (bundle / "head.onnx").write_bytes(b"no network")
    manifest = json.loads((bundle / MANIFEST_FILE).read_text())
    manifest["revision"] = "2"
    manifest["graphs"]["head"] |= {
        "sha256": file_sha256(bundle / "head.onnx"),
        "size_bytes": 10,
    }
    (bundle / MANIFEST_FILE).write_text(json.dumps(manifest))


def exchange(bundle: Path) -> None:
    """Other weights under the same revision."""
    write_tiny_bundle(bundle, name="other", revision="1", inverted=True)


def lose_the_manifest_format(bundle: Path) -> None:
    (bundle / MANIFEST_FILE).write_text("{}")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (alter, "graph head does not match the hash"),
        (break_graph, "the head is no graph that can be run"),
        (exchange, "other@1 was served with other graphs; give these another revision"),
        (lose_the_manifest_format, "is not a manifest of format"),
    ],
)
async def test_a_bad_bundle_is_refused_and_the_one_before_it_serves_on(
    app: FastAPI,
    folder: Path,
    spoil: Callable[[Path], None],
    reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running(app) as client:
        session = await new_session(client, [picture()], model="other")
        before = (await post_segment(client, session, [picture(seed=1)])).json()
        spoil(folder / "other-1")
        assert await reloaded(app, client, refused=1) == ["tiny@1", "other@1"]
        assert reason in str([vars(record).get("reason") for record in caplog.records])
        assert (await post_segment(client, session, [picture(seed=1)])).json() == before
        assert (await client.get("/readyz")).status_code == 200
        write_tiny_bundle(folder / "other-1", name="other", revision="1")
        assert await reloaded(app, client, refused=0) == ["tiny@1", "other@1"]


async def test_a_bad_bundle_keeps_no_other_from_being_served(app: FastAPI, folder: Path) -> None:
    alter(folder / "other-1")
    (folder / "notes").mkdir()
    shutil.copytree(folder / "tiny-1", folder / ".half-copied")
    async with running(app) as client:
        assert served(await client.get("/models")) == ["tiny@1"]


@pytest.fixture
def hang(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], threading.Event]]:
    """From its call on, the device does not answer; the event tells that it was asked."""
    asked, over = threading.Event(), threading.Event()
    encode = BundleRuntime.encode

    def encode_never(runtime: BundleRuntime, *arguments: Any) -> Encoded:
        asked.set()
        assert over.wait(TIMEOUT_S)
        return encode(runtime, *arguments)

    def begin() -> threading.Event:
        monkeypatch.setattr(BundleRuntime, "encode", encode_never)
        return asked

    monkeypatch.setattr("service.engine.worker._LONGEST_BATCH_S", 0.1)
    monkeypatch.setattr("service.engine.onnx._LOAD_GRACE_S", 0.1)
    yield begin
    over.set()


@asynccontextmanager
async def hanging(
    settings: Settings, hang: Callable[[], threading.Event]
) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    """A service whose device hangs in a request, which is answered once the service ends."""
    app = create_app(settings)
    async with asyncio.timeout(TIMEOUT_S):
        async with running(app) as client:
            session = await new_session(client, [picture()])
            asked = hang()
            segmented = asyncio.create_task(post_segment(client, session, [picture(seed=1)]))
            await asyncio.to_thread(asked.wait, TIMEOUT_S)
            yield app, client
        assert_problem(await segmented, 503, "not_ready")


async def test_a_bundle_that_gets_no_turn_on_a_device_that_hangs_is_refused(
    settings: Settings,
    folder: Path,
    hang: Callable[[], threading.Event],
    caplog: pytest.LogCaptureFixture,
) -> None:
    changes = {"bundle": folder / "tiny-1", "bundles": folder, "stuck_s": 0.2}
    async with hanging(settings.model_copy(update=changes), hang) as (app, client):
        while (await client.get("/healthz")).status_code == 200:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        write_tiny_bundle(folder / "tiny-2", revision="2")
        # What hangs would be loaded anew, too.
        assert await reloaded(app, client, refused=2) == ["tiny@1", "other@1"]
    reasons = {vars(record).get("reason") for record in caplog.records}
    assert "TimeoutError: no turn on the device within 0.2 s" in reasons


async def test_the_service_ends_while_a_bundle_waits_for_a_device_that_hangs(
    settings: Settings, folder: Path, hang: Callable[[], threading.Event]
) -> None:
    changes = {"bundle": folder / "tiny-1", "bundles": folder, "stuck_s": 600.0}
    async with hanging(settings.model_copy(update=changes), hang) as (app, _):
        write_tiny_bundle(folder / "tiny-2", revision="2")
        app.state.bundle_watcher.reload()
        while "load-cpu" not in {each.name for each in threading.enumerate()}:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("copy", ["zz-copy", "aa-copy"])
async def test_one_revision_is_not_taken_from_two_directories(
    app: FastAPI, folder: Path, copy: str
) -> None:
    async with running(app) as client:
        engine = app.state.bundle_watcher.models.find("other")
        shutil.copytree(folder / "other-1", folder / copy)
        assert await reloaded(app, client, refused=1) == ["tiny@1", "other@1"]
        assert app.state.bundle_watcher.models.find("other") is engine
        shutil.rmtree(folder / "other-1")
        assert await reloaded(app, client, refused=0) == ["tiny@1", "other@1"]


async def test_an_old_revision_that_is_moved_aside_serves_on(app: FastAPI, folder: Path) -> None:
    async with running(app) as client:
        shutil.move(folder / "other-1", folder / "kept")
        write_tiny_bundle(folder / "other-1", name="other", revision="2")
        assert await reloaded(app, client, refused=0) == ["tiny@1", "other@2", "other@1"]


async def test_a_revision_that_was_gone_does_not_come_back_with_other_weights(
    app: FastAPI, folder: Path
) -> None:
    async with running(app) as client:
        session = await new_session(client, [picture()], model="other")
        before = (await post_segment(client, session, [picture(seed=1)])).json()
        shutil.move(folder / "other-1", folder.parent / "aside")
        assert await reloaded(app, client, refused=0) == ["tiny@1"]
        write_tiny_bundle(folder / "other-1", name="other", revision="1", inverted=True)
        assert await reloaded(app, client, refused=1) == ["tiny@1"]
        assert_problem(
            await post_segment(client, session, [picture(seed=1)]), 409, "model_mismatch"
        )
        shutil.rmtree(folder / "other-1")
        shutil.move(folder.parent / "aside", folder / "other-1")
        assert await reloaded(app, client, refused=0) == ["tiny@1", "other@1"]
        assert (await post_segment(client, session, [picture(seed=1)])).json() == before


async def test_a_tier_that_is_added_leaves_sessions_valid(app: FastAPI, folder: Path) -> None:
    async with running(app) as client:
        session = await new_session(client, [picture()], model="other")
        path = folder / "other-1" / MANIFEST_FILE
        manifest = json.loads(path.read_text())
        tier = {"graphs": manifest["graphs"], "metrics": {"agreement": 1.0}}
        path.write_text(json.dumps(manifest | {"tiers": {"int8": tier}}))
        assert await reloaded(app, client, refused=0) == ["tiny@1", "other@1"]
        assert (await client.get("/models")).json()["models"][1]["tiers"] == {
            "int8": {"agreement": 1.0}
        }
        assert (await post_segment(client, session, [picture()])).status_code == 200
        depth = parse((await client.get("/metrics")).text)
        labels = {"lane": "head", "device": "cpu", "model": "other@1"}
        assert depth.value("fss_engine_queue_depth", **labels) == 0


async def test_changes_are_noticed_where_they_are_watched_for(
    settings: Settings, folder: Path
) -> None:
    watched = {"bundle": folder / "tiny-1", "bundles": folder, "bundles_watch_s": 0.05}
    async with running(create_app(settings.model_copy(update=watched))) as client:
        write_tiny_bundle(folder / ".tiny-2", revision="2")
        (folder / ".tiny-2").rename(folder / "tiny-2")
        async with asyncio.timeout(TIMEOUT_S):
            while "tiny@2" not in served(await client.get("/models")):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        (folder / "tiny-2").rename(folder / ".tiny-2")
        async with asyncio.timeout(TIMEOUT_S):
            while "tiny@2" in served(await client.get("/models")):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            # Its engine stops behind that, and its series go last.
            while "tiny@2" in (await client.get("/metrics")).text:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
