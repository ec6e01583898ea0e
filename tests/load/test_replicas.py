"""Replicas behind nginx, all real; and which requests nginx may send to a second one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.load.replicas.command import ReplicasOptions, run_replicas
from tests.load.replicas.nginx_process import NginxProcess, configuration, nginx_running
from tests.load.service_process import ServiceProcessError
from tests.load.wire import HOST, Body, Connection, Reply, request

pytestmark = [
    pytest.mark.nginx,
    # pycocotools' own, where a mask is not the expected one to the last bit and is compared.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

READY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 4\r\n"
    b"Content-Type: application/problem+json\r\n\r\nbusy"
)
BODY = Body("application/octet-stream", b"x" * 100_000)  # more than nginx keeps in memory
KEY = {"Idempotency-Key": "k"}


@pytest.mark.redis
async def test_no_client_notices_what_happens_to_replicas(tmp_path: Path) -> None:
    options = ReplicasOptions(
        bundle="tiny",
        replicas=3,  # one is killed, and there is still a choice
        clients=4,
        tenants=3,
        rounds=1,
        duration_s=0.5,
        fault_rounds=1,
        spell_s=0.2,
        quiet=True,
    )
    report = await run_replicas(options, tmp_path)
    assert [f"{each.name}: {each.figure}" for each in report.promises if not each.kept] == []
    _, _, faults = report.tables
    assert len(faults.rows) == 4
    assert all(row["ok"] == row["requests"] != 0 for row in faults.rows)


class Upstream:
    """Stands for a replica that is ready, and answers everything else with `answer` or hangs up."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.seen: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            if head.startswith("GET /readyz"):
                writer.write(READY)
                return
            self.seen.append(head)
            if "Content-Length" in head:
                await reader.readexactly(len(BODY.content))
            writer.write(self.answer)
        finally:
            writer.close()


@asynccontextmanager
async def behind_nginx(folder: Path, *upstreams: Upstream) -> AsyncIterator[NginxProcess]:
    """An nginx in front of them."""
    servers = [await asyncio.start_server(each.serve, HOST, 0) for each in upstreams]
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    try:
        async with nginx_running(folder / "nginx", ports) as nginx:
            yield nginx
    finally:
        for server in servers:
            server.close()
            await server.wait_closed()


async def ask(nginx: NginxProcess, content: bytes) -> Reply:
    connection = Connection(nginx.port)
    try:
        return await connection.ask(content, timeout_s=20)
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("content", "attempts"),
    [
        (request("POST", "/segment", BODY), 2),
        (request("POST", "/support", BODY, KEY), 2),
        (request("POST", "/support", BODY), 1),
        (request("GET", "/sessions/s"), 2),
        (request("DELETE", "/sessions/s"), 2),
    ],
    ids=["segment", "support, with a key", "support", "get", "delete"],
)
async def test_only_what_may_come_twice_is_sent_to_another_replica(
    tmp_path: Path, content: bytes, attempts: int
) -> None:
    upstreams = [Upstream(b""), Upstream(b"")]
    async with behind_nginx(tmp_path, *upstreams) as nginx:
        reply = await ask(nginx, content)
    heads = [head for each in upstreams for head in each.seen]
    assert len(heads) == attempts
    wanted = content.split(b" HTTP")[0].decode()
    assert all(head.startswith(f"{wanted} HTTP/1.1\r\n") for head in heads)
    assert all("X-Forwarded-For: 127.0.0.1\r\n" in head for head in heads)
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    assert reply.headers["content-type"] == "application/problem+json"


async def test_the_last_refusal_is_the_services_own(tmp_path: Path) -> None:
    upstreams = [Upstream(BUSY), Upstream(BUSY)]
    async with behind_nginx(tmp_path, *upstreams) as nginx:
        for _ in range(3):  # and nobody is left out for having been busy
            reply = await ask(nginx, request("POST", "/segment", BODY))
            assert (reply.status, reply.headers["retry-after"], reply.body) == (503, "7", b"busy")
        assert sum(len(each.seen) for each in upstreams) == 6
        assert (await ask(nginx, request("GET", "/metrics"))).status == 404
        assert sum(len(each.seen) for each in upstreams) == 6


def test_a_configuration_without_replicas_is_refused() -> None:
    with pytest.raises(ServiceProcessError, match="one list of replicas"):
        configuration("listen 80;", 1, [2])
