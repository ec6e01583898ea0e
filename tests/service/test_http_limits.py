"""What one connection may hold or cost is bounded.

Heads, bodies in tiny pieces, requests ahead, and responses hardly read.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from service import http_limits
from service.engine import FakeEngine
from service.settings import Settings
from tests.service.http_api import listening
from tests.service.processes import Server, serving

MAX_GROWTH_BYTES = 30_000_000
START = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


class Served(NamedTuple):
    """A service as a process, and the memory that it had before it was asked anything."""

    server: Server
    resident_bytes: int


@pytest.fixture(scope="module")
def served(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    log = tmp_path_factory.mktemp("server") / "log"
    with serving(log, {"FSS_BUNDLE": str(tiny_bundle)}) as server:
        yield Served(server, resident_bytes(server.process.pid))


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
            b"POST /segment HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
            *[b"a:b\r\n" * 20_000] * 40,
        ],
    ],
    ids=["many headers", "one header", "path", "trailers"],
)
def test_a_head_that_does_not_end_is_cut_off(served: Served, parts: list[bytes]) -> None:
    client = served.server.client
    answer = exchange(client.base_url.port or 0, parts)
    assert not answer.startswith(b"HTTP/1.1 200")
    assert client.get("/healthz").status_code == 200
    # However many came before: none may leave anything behind.
    assert resident_bytes(served.server.process.pid) - served.resident_bytes < MAX_GROWTH_BYTES


def test_spaces_behind_a_header_are_no_part_of_it(served: Served) -> None:
    head = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Request-ID: mine \t\r\n\r\n"
    answer = exchange(served.server.client.base_url.port or 0, [head.encode()])
    assert b"x-request-id: mine\r\n" in answer.lower()


def test_a_websocket_is_not_advised_to_be_installed(served: Served) -> None:
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
    assert served.server.client.get("/healthz", headers=upgrade).status_code == 200
    assert "websocket" not in served.server.log.read_text().lower()


def test_heads_of_a_reasonable_size_are_taken(served: Served) -> None:
    long = {f"X-Header-{number}": "a" * 1000 for number in range(50)}
    for _ in range(3):
        assert served.server.client.get("/healthz", headers=long).status_code == 200


REQUESTS = 100  # whose responses the system's own buffers cannot hold


@asynccontextmanager
async def asking(
    client: httpx.AsyncClient, path: str
) -> AsyncIterator[tuple[asyncio.StreamReader, int]]:
    """A connection that has sent many requests, and the bytes of all their responses."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        address = (client.base_url.host, client.base_url.port)
        await asyncio.get_running_loop().sock_connect(connection, address)
        reader, writer = await asyncio.open_connection(sock=connection, limit=4096)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() * REQUESTS)
        yield reader, len((await client.get(path)).content) * REQUESTS
        writer.close()


async def received(reader: asyncio.StreamReader, enough: int, *, pause_s: float = 0) -> int:
    """The number of bytes that arrive until there are enough, or the connection ends."""
    count = 0
    try:
        async with asyncio.timeout(60):
            while count < enough and (chunk := await reader.read(200_000)):
                count += len(chunk)
                await asyncio.sleep(pause_s)
    except ConnectionResetError:
        pass
    return count


async def test_responses_that_nobody_reads_are_given_up(
    settings: Settings, fake_engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_limits, "MAX_STALL_S", 0.5)
    async with (
        listening(settings, fake_engine) as client,
        asking(client, "/openapi.json") as (reader, nbytes),
    ):
        await asyncio.sleep(2)
        assert await received(reader, nbytes) < nbytes


async def test_responses_that_are_read_slowly_arrive(
    settings: Settings, fake_engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_limits, "MAX_STALL_S", 0.25)
    monkeypatch.setattr(http_limits, "MIN_READ_BYTES", 50_000)
    async with (
        listening(settings, fake_engine) as client,
        asking(client, "/openapi.json") as (reader, nbytes),
    ):
        assert await received(reader, nbytes, pause_s=0.005) >= nbytes


async def test_responses_of_which_a_little_is_read_now_and_then_are_given_up(
    settings: Settings, fake_engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_limits, "MAX_STALL_S", 1)
    monkeypatch.setattr(http_limits, "MIN_READ_BYTES", 5_000_000)
    async with (
        listening(settings, fake_engine) as client,
        asking(client, "/openapi.json") as (reader, nbytes),
    ):
        assert await received(reader, nbytes, pause_s=0.02) < nbytes


CHUNKED = (
    b"POST /segment HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    b"Content-Type: multipart/form-data; boundary=b\r\nTransfer-Encoding: chunked\r\n\r\n"
)
FILE = b'--b\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\n'


def piece(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


def test_a_body_in_pieces_of_a_byte_is_cut_off(served: Served) -> None:
    """Each piece costs as much as one of sixty kilobytes."""
    port = served.server.client.base_url.port or 0
    body = [piece(FILE), *[piece(b"a") * 1000] * 1000]
    answer = exchange(port, [CHUNKED, *body])
    assert not answer or answer.startswith(b"HTTP/1.1 400 ")  # and it is no longer waited for


@pytest.mark.parametrize(("size", "count"), [(1, 9000), (100, 20_000)])
def test_a_body_in_some_small_pieces_is_taken(served: Served, size: int, count: int) -> None:
    port = served.server.client.base_url.port or 0
    body = [piece(FILE), piece(b"a" * size) * count, piece(b"\r\n--b--\r\n"), b"0\r\n\r\n"]
    assert exchange(port, [CHUNKED, *body]).startswith(b"HTTP/1.1 422")  # it is no picture


def test_requests_ahead_of_their_responses_are_bounded(served: Served) -> None:
    client = served.server.client
    many = [(START + b"\r\n") * 2_000] * 100
    answer = exchange(client.base_url.port or 0, many)
    assert answer.count(b"HTTP/1.1 200 ") < 2_000
    assert client.get("/healthz").status_code == 200
    assert resident_bytes(served.server.process.pid) - served.resident_bytes < MAX_GROWTH_BYTES


def test_some_requests_may_go_ahead_of_their_responses(served: Served) -> None:
    last = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = exchange(served.server.client.base_url.port or 0, [(START + b"\r\n") * 99 + last])
    assert answer.count(b"HTTP/1.1 200 ") == 100


def resident_bytes(pid: int) -> int:
    """Memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
