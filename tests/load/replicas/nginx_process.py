"""nginx with the configuration of the docs, on ports of its own."""

import asyncio
import os
import re
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.load.service_process import ServiceProcessError, is_ready
from tests.load.wire import HOST, Connection
from tests.service.processes import unused_port

CONFIGURATION = Path(__file__).resolve().parents[3] / "docs" / "nginx.conf"
_START_TIMEOUT_S = 20.0
_STOP_TIMEOUT_S = 10.0
_POLL_S = 0.05


def configuration(text: str, port: int, replicas: Sequence[int]) -> str:
    """The text with another port to listen on, and other ports of replicas; all on this machine.

    Raises:
        ServiceProcessError: the text does not say where to listen, or names no replicas.
    """
    servers = "".join(f"        server {HOST}:{each} max_fails=0;\n" for each in replicas)
    text, lists = re.subn(r"(?m)(^ +server [\d.]+:\d+ .*;\n)+", servers, text)
    text, doors = re.subn(r"listen \d+;", f"listen {HOST}:{port};", text)
    if (lists, doors) != (1, 1):
        raise ServiceProcessError(f"{CONFIGURATION.name} has not one list of replicas and one port")
    return text


class NginxProcess:
    """`nginx` in front of services on this machine.

    Args:
        folder: for its configuration, its log, and bodies that are too large for its memory.
        replicas: ports of the services.
    """

    def __init__(self, folder: Path, replicas: Sequence[int]) -> None:
        self.port = unused_port()
        folder.mkdir()
        written = folder / "nginx.conf"
        written.write_text(configuration(CONFIGURATION.read_text(), self.port, replicas))
        self._log = folder / "nginx.log"
        # As who started it: another user could not enter the folder.
        options = "daemon off;" + (" user root;" if os.geteuid() == 0 else "")
        self._command = ["nginx", "-p", f"{folder}/", "-c", str(written), "-g", options]
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it, and wait until a service behind it is ready.

        Raises:
            ServiceProcessError: nginx is not installed, ended, or reaches no service.
        """
        self._spawn()
        deadline = time.monotonic() + _START_TIMEOUT_S
        connection = Connection(self.port)
        while not await is_ready(connection):
            ended = self._process is not None and self._process.poll() is not None
            if ended or time.monotonic() > deadline:
                raise ServiceProcessError(f"nginx does not answer: {self._log.read_text()}")
            await asyncio.sleep(_POLL_S)
        connection.close()

    def _spawn(self) -> None:
        try:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    self._command, stdout=log, stderr=subprocess.STDOUT
                )
        except FileNotFoundError as exc:
            raise ServiceProcessError("nginx is not installed") from exc

    def stop(self) -> None:
        """End it and its workers."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_STOP_TIMEOUT_S)


@asynccontextmanager
async def nginx_running(folder: Path, replicas: Sequence[int]) -> AsyncIterator[NginxProcess]:
    """An nginx that reaches a service, for the block."""
    nginx = NginxProcess(folder, replicas)
    try:
        await nginx.start()
        yield nginx
    finally:
        nginx.stop()
