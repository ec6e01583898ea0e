"""How the service ends on SIGTERM: a real process, its sockets, and time limits."""

import asyncio
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from service.app import create_app
from service.engine import FakeEngine
from service.jobs import JobDesk
from service.settings import Settings
from tests.service.http_api import assert_problem, new_session, running
from tests.service.jobs.job_calls import SCENES, slow_unpacking, zipped
from tests.service.pictures import picture
from tests.service.processes import STOP_TIMEOUT_S, Server, serving

NEVER_S = 600
HEAD = "POST /segment HTTP/1.1\r\nHost: localhost\r\n"


@contextmanager
def slow(log: Path, engine_s: float, drain_s: int) -> Iterator[Server]:
    command = ("tests.service.slow_service", str(engine_s))
    with serving(log, {"FSS_DRAIN_S": str(drain_s)}, command=command) as server:
        yield server


@contextmanager
def segmenting(server: Server) -> Iterator[Future[httpx.Response]]:
    """A request that the engine works on."""
    scene = picture()
    session = server.client.post(
        "/support",
        data={"class_name": "thing"},
        files={"images": scene.image_png, "masks": scene.mask_png},
    ).json()["session_id"]
    with (
        ThreadPoolExecutor(1) as threads,
        httpx.Client(base_url=server.client.base_url, timeout=STOP_TIMEOUT_S) as client,
    ):
        answer = threads.submit(
            client.post,
            "/segment",
            data={"session_id": session},
            files={"images": scene.image_png},
        )
        server.log_with('"segmenting"')
        yield answer


def connect(server: Server) -> socket.socket:
    url = server.client.base_url
    return socket.create_connection((url.host, url.port), timeout=STOP_TIMEOUT_S)


def read_to_end(connection: socket.socket) -> bytes:
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    return received


def test_accepted_is_finished_and_all_else_refused(tmp_path: Path) -> None:
    with (
        slow(tmp_path / "log", engine_s=2, drain_s=NEVER_S) as server,
        connect(server) as trickling,
        connect(server) as silent,
        connect(server) as kept,
    ):
        kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert kept.recv(65536).startswith(b"HTTP/1.1 200 ")
        trickling.sendall(
            f"{HEAD}Content-Length: 100000\r\n"
            "Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n".encode()
        )
        with segmenting(server) as answer:
            server.process.send_signal(signal.SIGTERM)
            refused = read_to_end(trickling)
            assert not answer.done()  # refused while the accepted one is still worked on
            assert refused.startswith(b"HTTP/1.1 503 ")
            assert b'"code":"not_ready"' in refused
            assert b"retry-after: 1" in refused.lower()
            assert read_to_end(silent) == b""
            assert b"HTTP/" not in read_to_end(kept)
            assert not answer.done()
            with pytest.raises(httpx.TransportError):  # the door is closed, to idle clients too
                server.client.get("/readyz")
            finished = answer.result()
        assert finished.status_code == 200
        assert finished.headers["connection"] == "close"
        assert finished.json()["results"]
        server.process.wait(STOP_TIMEOUT_S)
        assert server.process.returncode in {0, -signal.SIGTERM}
        assert "Traceback" not in server.log.read_text()


def test_patience_has_an_end(tmp_path: Path) -> None:
    with slow(tmp_path / "log", engine_s=NEVER_S, drain_s=1) as server:
        with segmenting(server) as answer:
            started = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            assert_problem(answer.result(), 503, "not_ready")
        server.process.wait(STOP_TIMEOUT_S)
        assert 1 <= time.monotonic() - started < 20
        assert "Traceback" not in server.log.read_text()


async def test_readiness_ends_first_and_no_work_is_begun(
    settings: Settings, fake_engine: FakeEngine
) -> None:
    app = create_app(settings, engine=fake_engine)
    async with running(app) as client:
        app.state.context.drain.begin()
        assert_problem(await client.get("/readyz"), 503, "not_ready")
        assert_problem(await client.get("/models"), 503, "not_ready")
        assert_problem(await client.post("/segment"), 503, "not_ready")
        alive = await client.get("/healthz")
        assert (alive.status_code, alive.headers["connection"]) == (200, "close")


async def test_a_job_whose_body_is_complete_is_made_though_the_service_stops(
    tmp_path: Path, fake_engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpacking, drained = slow_unpacking(monkeypatch)
    app = create_app(Settings(jobs_dir=tmp_path / "jobs"), engine=fake_engine)
    async with running(app) as client:
        form = {"session_id": await new_session(client, SCENES[:1])}
        archive = {"archive": ("a.zip", zipped({"a.png": SCENES[1].image_png}))}
        asked = asyncio.create_task(client.post("/jobs", data=form, files=archive))
        assert await asyncio.to_thread(unpacking.wait, 30)
        app.state.context.drain.begin()
        await asyncio.sleep(0.1)  # in which a request whose body still arrived would be refused
        drained.set()
        assert (await asked).status_code == 202


async def test_a_part_that_fails_to_close_leaves_none_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: JobDesk) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(JobDesk, "close", fail)
    engine = FakeEngine()
    app = create_app(Settings(jobs_dir=tmp_path / "jobs"), engine=engine)
    with pytest.raises(OSError, match="the disk is gone"):
        async with running(app):
            assert engine.ready
    assert not engine.ready
