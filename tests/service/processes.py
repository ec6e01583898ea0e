"""The service as a process of its own on a port of the system's choice."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from tests.service.pictures import picture

START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 60
LOG_TIMEOUT_S = 10
_ROOT = Path(__file__).parents[2]


class Server(NamedTuple):
    """A running service."""

    process: subprocess.Popen[str]
    client: httpx.Client
    log: Path

    def log_with(self, wanted: str) -> str:
        """The log once it holds `wanted`: a request's line is written behind its response."""
        deadline = time.monotonic() + LOG_TIMEOUT_S
        while wanted not in (text := self.log.read_text()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return text


@contextmanager
def started(
    log: Path, environment: dict[str, str], command: Sequence[str] = ("service", "serve")
) -> Iterator[subprocess.Popen[str]]:
    """`python -m` the command; killed at the end unless it has ended by itself."""
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            stderr=stderr,
            env=os.environ | {"FSS_PORT": "0"} | environment,
            cwd=_ROOT,
            text=True,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def serving(
    log: Path,
    environment: dict[str, str],
    *,
    command: Sequence[str] = ("service", "serve"),
) -> Iterator[Server]:
    """The command as a server that is ready to work."""
    with (
        started(log, environment, command) as process,
        httpx.Client(base_url=address(log, process), timeout=60) as client,
    ):
        while client.get("/readyz").status_code != 200:
            time.sleep(0.05)
        yield Server(process, client, log)


def address(log: Path, process: subprocess.Popen[str]) -> str:
    """Where a process listens, once it does.

    Raises:
        AssertionError: it ends before, or takes too long.
    """
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        for line in log.read_text().splitlines():
            _, found, rest = line.partition("running on ")
            if found:
                return rest.split()[0]
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def unused_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def register(client: httpx.Client) -> str:
    """The id of a new session."""
    scene = picture()
    response = client.post(
        "/support",
        data={"class_name": "thing"},
        files={"images": scene.image_png, "masks": scene.mask_png},
    )
    assert response.status_code == 201, response.text
    return str(response.json()["session_id"])
