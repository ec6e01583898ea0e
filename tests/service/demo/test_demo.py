"""`python -m service.demo` against the real service: over the fake engine, and over none."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import httpx
import pytest

from service.demo.calls import segment
from service.demo.errors import DemoError
from service.demo.samples import CLASSES, queries
from service.demo.server import running_service

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


def _client(status: int, body: str) -> httpx.Client:
    transport = httpx.MockTransport(lambda _: httpx.Response(status, text=body))
    return httpx.Client(transport=transport, base_url="http://service")


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (404, '{"title": "Unknown session"}', "404.*Unknown session"),
        (200, '{"unexpected": 1}', "something else than its schema"),
        (200, '{"session_id": "a", "model": "m", "results": []}', "something else"),
    ],
)
def test_wrong_answers_become_clear_errors(status: int, body: str, message: str) -> None:
    with _client(status, body) as client, pytest.raises(DemoError, match=message):
        segment(client, "session", queries()[0])
