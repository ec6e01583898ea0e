"""The service as a process of its own, which may be killed and started again on its port."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from service.settings import SHIPPED_BUNDLES
from tests.load.wire import HOST, Connection, LostError, request
from tests.service.processes import unused_port
from tests.service.tiny_bundle import write_tiny_bundle

BundleName = Literal["tiny", "lite", "base"]

READY_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 40.0
_POLL_S = 0.05
_LOG_LINES = 12
# The settings of a service that does all work anew, though it is asked the same again.
WITHOUT_CACHES = {
    "FSS_DECODE_CACHE_BYTES": "0",
    "FSS_ENCODE_CACHE_BYTES": "0",
    "FSS_PREDICTION_CACHE_BYTES": "0",
}
_ROOT = Path(__file__).resolve().parents[2]


class ServiceProcessError(Exception):
    """The service did not start; says why, with the end of its log."""


def bundle_path(name: BundleName, folder: Path) -> Path:
    """A shipped bundle, or a tiny one, written below `folder` once."""
    if name != "tiny":
        return SHIPPED_BUNDLES / name
    tiny = folder / "tiny"
    return tiny if tiny.exists() else write_tiny_bundle(tiny)


class ServiceProcess:
    """`python -m service`, or a launcher of it.

    Args:
        folder: for its log.
        settings: `FSS_*` by their names without prefix, and other variables by their own.
        launch: arguments of the interpreter.
        keep_log: whether the log is written; else it is thrown away.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str],
        *,
        launch: Sequence[str] = ("-m", "service"),
        keep_log: bool = True,
    ) -> None:
        self.port = unused_port()
        self._log = folder / f"service-{self.port}.log"
        self._keep_log = keep_log
        self._command = [sys.executable, *launch]
        own = {"FSS_HOST": HOST, "FSS_PORT": str(self.port), "FSS_LOG_LEVEL": "warning"}
        self._environment = {**os.environ, **own, **settings}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the running process."""
        if self._process is None:
            raise ServiceProcessError("the service was not started")
        return self._process.pid

    async def start(self) -> float:
        """Start it and wait until it is ready; the seconds that took.

        Raises:
            ServiceProcessError: it ended, or was not ready in time.
        """
        started = time.monotonic()
        self._spawn()
        await self.wait_ready()
        return time.monotonic() - started

    def _spawn(self) -> None:
        with (self._log if self._keep_log else Path(os.devnull)).open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                cwd=_ROOT,
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    async def wait_ready(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Return once `/readyz` says yes.

        Raises:
            ServiceProcessError: the process ended, or time ran out.
        """
        deadline = time.monotonic() + timeout_s
        connection = Connection(self.port)
        try:
            while not await is_ready(connection):
                if self._process is not None and self._process.poll() is not None:
                    raise ServiceProcessError(
                        f"the service ended with {self._process.returncode}{self.log_end()}"
                    )
                if time.monotonic() > deadline:
                    raise ServiceProcessError(
                        f"the service was not ready within {timeout_s:g} s{self.log_end()}"
                    )
                await asyncio.sleep(_POLL_S)
        finally:
            connection.close()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """Let it drain and end; kill it when that takes too long."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def log_lines(self) -> list[str]:
        """What it printed so far."""
        return self._log.read_text(errors="replace").splitlines() if self._log.exists() else []

    def log_end(self) -> str:
        """The last lines of its log."""
        lines = self.log_lines()[-_LOG_LINES:]
        return "".join(f"\n  {line}" for line in lines)


async def is_ready(connection: Connection) -> bool:
    """Whether the service says that it is."""
    try:
        return (await connection.ask(request("GET", "/readyz"), timeout_s=5)).status == 200
    except LostError:
        return False


@asynccontextmanager
async def serving(
    folder: Path,
    settings: Mapping[str, str],
    *,
    launch: Sequence[str] = ("-m", "service"),
    keep_log: bool = True,
) -> AsyncIterator[ServiceProcess]:
    """A ready service for the block."""
    process = ServiceProcess(folder, settings, launch=launch, keep_log=keep_log)
    try:
        await process.start()
        yield process
    finally:
        process.stop()
