"""The real service, as a process of its own, for as long as the demo needs it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from service.demo.errors import DemoError

READY_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 40.0
_POLL_S = 0.2
_LOG_LINES = 12
_ROOT = Path(__file__).resolve().parents[2]
_HOST = "127.0.0.1"


@contextmanager
def running_service(
    log: Path, environment: Mapping[str, str], *, ready_timeout_s: float = READY_TIMEOUT_S
) -> Iterator[str]:
    """Start the service on a free port, yield its base URL once it is ready, stop it in any case.

    Args:
        log: file that receives what the service prints.
        environment: settings of the service; host and port are set here.
        ready_timeout_s: how long to wait for the first real inference.

    Raises:
        DemoError: the service ended or was not ready in time; with the end of its log.
    """
    port = _free_port()
    settings = {**environment, "FSS_HOST": _HOST, "FSS_PORT": str(port)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "service"],
            cwd=_ROOT,
            env=settings,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            url = f"http://{_HOST}:{port}"
            _wait_until_ready(process, url, log, ready_timeout_s)
            yield url
        finally:
            _stop(process)


def service_environment() -> dict[str, str]:
    """This process's environment, with a log level that leaves problems visible."""
    return {"FSS_LOG_LEVEL": "warning", **os.environ}


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((_HOST, 0))
        return int(listener.getsockname()[1])


def _wait_until_ready(
    process: subprocess.Popen[bytes], url: str, log: Path, timeout_s: float
) -> None:
    deadline = time.monotonic() + timeout_s
    # A proxy named in the environment is none of the loopback's business.
    with httpx.Client(base_url=url, trust_env=False, timeout=5.0) as client:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise DemoError(f"the service ended with {process.returncode}{_end_of(log)}")
            if _is_ready(client):
                return
            time.sleep(_POLL_S)
    raise DemoError(f"the service was not ready within {timeout_s:g} s{_end_of(log)}")


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").is_success
    except httpx.TransportError:
        return False


def _end_of(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
    return "".join(f"\n  {line}" for line in lines)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
