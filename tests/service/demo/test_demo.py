"""`python -m service.demo` against the real service: over the fake engine, and over none."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import cv2
import httpx
import pytest

from service.demo.__main__ import main
from service.demo.errors import DemoError
from service.demo.server import running_service
from service.samples import CLASSES, queries

ROOT = Path(__file__).resolve().parents[3]


def _demo(out: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "service.demo", "--out", str(out)],
        cwd=ROOT,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_demo_prints_the_table_and_writes_every_result(tmp_path: Path) -> None:
    run = _demo(tmp_path, FSS_ENGINE="fake")
    assert run.returncode == 0, run.stderr
    table = run.stdout.splitlines()
    for query in queries():
        assert sum(line.startswith(f"{query.name} ") for line in table) == len(CLASSES)
        for class_name in CLASSES:
            mask = cv2.imread(
                str(tmp_path / f"{query.name}.{class_name}.png"), cv2.IMREAD_GRAYSCALE
            )
            assert mask is not None
            assert mask.shape == query.pixels().shape[:2]
        assert (tmp_path / f"{query.name}.overlay.jpg").exists()
    overview = cv2.imread(str(tmp_path / "overview.jpg"))
    assert overview is not None
    assert overview.std() > 20


def test_demo_that_cannot_start_the_service_says_why(tmp_path: Path) -> None:
    run = _demo(tmp_path, FSS_ENGINE="onnx", FSS_BUNDLE=str(tmp_path / "nowhere"))
    assert run.returncode == 1
    assert "the demo failed: the service ended with 2" in run.stderr
    assert "nowhere" in run.stderr


def test_service_is_stopped_when_the_demo_fails(tmp_path: Path) -> None:
    environment = {**os.environ, "FSS_ENGINE": "fake"}
    addresses = []

    def fail_halfway() -> None:
        with running_service(tmp_path / "log", environment) as address:
            addresses.append(f"{address}/healthz")
            assert httpx.get(addresses[0], trust_env=False).is_success
            raise DemoError("halfway")

    with pytest.raises(DemoError, match="halfway"):
        fail_halfway()
    with pytest.raises(httpx.ConnectError):
        httpx.get(addresses[0], trust_env=False)


def test_service_that_is_not_ready_in_time_is_stopped(tmp_path: Path) -> None:
    environment = {**os.environ, "FSS_ENGINE": "fake"}
    with (
        pytest.raises(DemoError, match="not ready within 0 s"),
        running_service(tmp_path / "log", environment, ready_timeout_s=0.0),
    ):
        pytest.fail("a service that is not ready was handed out")


def test_demo_that_meets_a_broken_service_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @contextmanager
    def broken(*_: object) -> Iterator[str]:
        with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
            Thread(target=server.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{server.server_address[1]}"
            server.shutdown()

    monkeypatch.setattr("service.demo.__main__.running_service", broken)
    assert main(["--out", str(tmp_path)]) == 1
    assert "the demo failed: " in capsys.readouterr().err
