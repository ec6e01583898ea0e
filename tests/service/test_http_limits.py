"""Heads of requests are bounded, whoever sends them."""

import socket
from pathlib import Path

import pytest

from tests.service.processes import serving

START = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"


def exchange(port: int, parts: list[bytes]) -> bytes:
    """What a connection is answered before it is closed."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        try:
            for part in parts:
                connection.sendall(part)
            while chunk := connection.recv(65536):
                answer += chunk
        except (BrokenPipeError, ConnectionResetError):
            pass  # it was closed while more was on its way
    return answer


@pytest.mark.parametrize(
    "parts",
    [
        [START, *[b"a:b\r\n" * 20_000] * 40],
        [START, b"X: ", *[b"a" * 1_000_000] * 20],
        [b"GET /", *[b"a" * 1_000_000] * 20],
        [
            b"POST /segment HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
            *[b"a:b\r\n" * 20_000] * 40,
        ],
    ],
    ids=["many headers", "one header", "path", "trailers"],
)
def test_a_head_that_does_not_end_is_cut_off(
    tiny_bundle: Path, tmp_path: Path, parts: list[bytes]
) -> None:
    with serving(tmp_path / "log", {"FSS_BUNDLE": str(tiny_bundle)}) as server:
        before = resident_bytes(server.process.pid)
        answer = exchange(server.client.base_url.port or 0, parts)
        assert not answer.startswith(b"HTTP/1.1 200")
        assert server.client.get("/healthz").status_code == 200
        assert resident_bytes(server.process.pid) - before < 30_000_000


def test_heads_of_a_reasonable_size_are_taken(tiny_bundle: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "log", {"FSS_BUNDLE": str(tiny_bundle)}) as server:
        long = {f"X-Header-{number}": "a" * 1000 for number in range(50)}
        for _ in range(3):
            assert server.client.get("/healthz", headers=long).status_code == 200


def resident_bytes(pid: int) -> int:
    """Memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
