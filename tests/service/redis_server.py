"""A real redis-server on a socket of its own, to be killed and brought back."""

import shutil
import signal
import subprocess
import time
from pathlib import Path

import redis

BINARY = shutil.which("redis-server")
_START_TIMEOUT_S = 30


class RedisServer:
    """A server that keeps nothing on disk unless told to, and listens on a Unix socket alone.

    Args:
        directory: for its socket, log and files; its path must be short.
        persistent: whether every write is on disk before it is answered.
    """

    def __init__(self, directory: Path, *, persistent: bool = False) -> None:
        self._directory = directory
        self.socket = directory / "redis.sock"
        self._persistent = persistent
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What a store is opened by."""
        return f"unix://{self.socket}?db=0"

    def start(self) -> None:
        """Begin to serve; returns when it does."""
        assert BINARY is not None
        durability = ["--appendonly", "yes", "--appendfsync", "always"]
        self._process = subprocess.Popen(
            [
                *(BINARY, "--port", "0", "--unixsocket", str(self.socket)),
                *("--dir", str(self._directory), "--logfile", str(self._directory / "log")),
                *("--save", "", *(durability if self._persistent else ())),
            ]
        )
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self._answers():
            assert self._process.poll() is None, (self._directory / "log").read_text()
            assert time.monotonic() < deadline, "redis-server did not start"
            time.sleep(0.01)

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Let it take connections and answer nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it answer again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            with redis.Redis(unix_socket_path=str(self.socket)) as client:
                return bool(client.ping())
        except redis.ConnectionError:  # not there yet, or still reading its files
            return False
