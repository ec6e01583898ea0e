"""The service as a process on a real socket."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import pytest

from service.access import key_line, new_key
from service.engine import FakeEngine
from service.settings import Settings
from tests.service.http_api import assert_problem, listening
from tests.service.pictures import iou, picture
from tests.service.processes import (
    STOP_TIMEOUT_S,
    Server,
    address,
    register,
    serving,
    started,
)
from tests.service.until import until

MAX_BODY_BYTES = 1_000_000


@pytest.fixture(scope="module")
def server(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`python -m service serve` over the tiny bundle."""
    environment = {"FSS_BUNDLE": str(tiny_bundle), "FSS_MAX_BODY_BYTES": str(MAX_BODY_BYTES)}
    with serving(tmp_path_factory.mktemp("server") / "log", environment) as running:
        yield running


def test_both_endpoints(server: Server) -> None:
    session_id = register(server.client)
    response = server.client.post(
        "/segment",
        data={"session_id": session_id},
        files={"images": picture(seed=5).image_png},
    )
    assert response.status_code == 200
    (entry,) = response.json()["results"][0]["classes"]
    x, y, width, height = entry["bbox"]
    box = picture(box=(y, x, height, width)).mask
    assert iou(box, picture().mask) > 0.8


@pytest.mark.parametrize("announced", [True, False])
def test_large_body_gets_its_answer_over_the_wire(server: Server, announced: bool) -> None:
    def body() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\n'
        for _ in range(40):
            yield bytes(MAX_BODY_BYTES // 10)

    content = b"".join(body()) if announced else body()
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    response = server.client.post("/segment", content=content, headers=headers)
    assert_problem(response, 413, "body_too_large")
    assert server.client.get("/healthz").status_code == 200


def test_log_is_json_without_session_ids(server: Server) -> None:
    session_id = register(server.client)
    server.client.get(f"/sessions/{session_id}", headers={"X-Request-ID": "look-for-me"})
    text = server.log_with("look-for-me")
    entries = [json.loads(line) for line in text.splitlines()]
    assert any(entry.get("request_id") == "look-for-me" for entry in entries)
    assert session_id not in text


async def test_idle_connections_are_kept_for_as_long_as_is_set(
    settings: Settings, fake_engine: FakeEngine
) -> None:
    async with listening(settings.model_copy(update={"keep_alive_s": 1}), fake_engine) as client:
        reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
        asked = time.monotonic()
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        await asyncio.wait_for(reader.read(), 30)  # to the end, which unset would come after 75 s
        assert time.monotonic() - asked >= 1
        writer.close()


def test_a_reload_that_is_asked_for_before_it_listens_does_not_end_it(
    tmp_path: Path, tiny_bundle: Path
) -> None:
    keys, log = tmp_path / "keys", tmp_path / "log"
    os.mkfifo(keys)
    environment = {"FSS_BUNDLE": str(tiny_bundle), "FSS_API_KEYS_FILE": str(keys)}
    with started(log, environment) as process:
        with opened_with_a_reader(keys) as pipe:  # it is about to read its keys
            process.send_signal(signal.SIGHUP)
            pipe.write(key_line("lab", new_key()))
        assert address(log, process).startswith("http://127.0.0.1:")


def opened_with_a_reader(pipe: Path) -> TextIO:
    """A named pipe, once somebody reads from it."""
    opened: list[int] = []

    def has_a_reader() -> bool:
        with suppress(OSError):
            opened.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        return bool(opened)

    until(has_a_reader)
    return os.fdopen(opened[0], "w")


def test_term_signal_ends_the_process_cleanly(server: Server) -> None:
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(STOP_TIMEOUT_S)
    # uvicorn drains, then raises the signal again, so that the parent sees what ended it.
    assert server.process.returncode in {0, -signal.SIGTERM}
    assert "Application shutdown complete" in server.log.read_text()
    assert "Traceback" not in server.log.read_text()
    for line in server.log.read_text().splitlines():
        assert json.loads(line).keys() >= {"time", "level", "logger", "event"}
