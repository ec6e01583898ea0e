"""Requests are counted for what they are, and timed from when they should have begun."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.load.judgement import Expected, Kind
from tests.load.scenes import Size
from tests.load.service_process import bundle_path, serving
from tests.load.tenants import Asked, Lesson, Question, Style, Tenant, prepare
from tests.load.traffic import Mix, Traffic
from tests.load.wire import HOST, Body, Connection, LostError, request
from tests.service.processes import unused_port

ASKING = Mix(registrations=0, timeout_s=10)


def stand_in(expected: Expected) -> Tenant:
    """A session of a service that is none."""
    asked = Asked(Body("text/plain", b"image"), expected)
    return Tenant("one", (Lesson("red", Body("text/plain", b"")),), (Question(asked, (asked,)),))


@pytest.fixture
async def one_at_a_time() -> AsyncIterator[int]:
    """The port of a server that takes a tenth of a second for each request, and does no two."""
    turn = asyncio.Lock()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"image"):
                async with turn:
                    await asyncio.sleep(0.1)
                body = json.dumps({"session_id": "one", "results": []}).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        finally:
            writer.transport.abort()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.create_task(serve(reader, writer)))

    tasks: list[asyncio.Task[None]] = []
    server = await asyncio.start_server(accept, HOST, 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_open_loop_does_not_hide_what_waits(one_at_a_time: int) -> None:
    expected = Expected(b'{"session_id": "", "results": []}', [])
    traffic = Traffic(one_at_a_time, [stand_in(expected)], ASKING)
    closed = await traffic.closed_loop(1, 0.7)
    assert closed.percentile_ms(99) < 300
    # Three times what it can take: the last of about 30 waits for two seconds.
    opened = await traffic.open_loop(30, 1.0)
    assert opened.percentile_ms(100) > 1000
    assert opened.drain_s > 0.5
    assert opened.good == len(opened.outcomes) > 10


async def test_a_server_that_is_not_there_loses_requests() -> None:
    traffic = Traffic(unused_port(), [stand_in(Expected(b"", []))], ASKING)
    tally = await traffic.closed_loop(2, 0.2)
    assert tally.count(Kind.LOST) == len(tally.outcomes) > 0
    assert tally.complaints()[0].split(" x ")[1].startswith("segment: lost: ConnectionRefusedError")


async def test_a_client_that_is_refused_waits_as_long_as_it_is_told() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = b'{"code": "queue_full"}'
        head = b"HTTP/1.1 503 Unavailable\r\nContent-Type: application/problem+json\r\n"
        head += b"Retry-After: 1\r\n"
        with suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"image"):
                writer.write(head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        writer.close()

    async with await asyncio.start_server(refuse, HOST, 0) as server:
        port = server.sockets[0].getsockname()[1]
        traffic = Traffic(port, [stand_in(Expected(b"", []))], ASKING)
        tally = await traffic.closed_loop(4, 0.5)
    assert tally.count(Kind.REFUSED) == len(tally.outcomes) == 4


async def test_a_connection_gives_up_after_its_time(one_at_a_time: int) -> None:
    connection = Connection(one_at_a_time)
    with pytest.raises(LostError, match="TimeoutError"):
        await connection.ask(request("GET", "/nothing"), timeout_s=0.1)


def with_expected_of(tenant: Tenant, other: Tenant) -> Tenant:
    """A tenant whose answers are expected to be those of another."""
    changed = [
        Question(Asked(own.known.body, of.known.expected), own.fresh)
        for own, of in zip(tenant.questions, other.questions, strict=True)
    ]
    return replace(tenant, questions=tuple(changed))


async def test_answers_are_judged_by_their_content(tmp_path: Path) -> None:
    settings = {"FSS_BUNDLE": str(bundle_path("tiny", tmp_path))}
    async with serving(tmp_path, settings) as process:
        style = Style(Size(48, 64), fresh=2)
        tenants = await prepare(
            process.port, tenants=3, questions=2, style=style, seed=0, quiet=True
        )
        right = Traffic(process.port, tenants, Mix(registrations=0.3, fresh=0.3))
        tally = await right.closed_loop(4, 1.0)
        assert tally.good == len(tally.outcomes) > 0
        assert {outcome.operation for outcome in tally.outcomes} == {
            "register",
            "segment",
            "delete",
        }

        known = Mix(registrations=0, fresh=0)
        swapped = with_expected_of(tenants[0], tenants[2])  # both of one class
        mixed = await Traffic(process.port, [swapped], known).closed_loop(1, 0.3)
        assert mixed.count(Kind.MIXED) == len(mixed.outcomes) > 0

        first, second = tenants[0].questions
        crossed = replace(
            tenants[0], questions=(Question(Asked(first.known.body, second.known.expected), ()),)
        )
        wrong = await Traffic(process.port, [crossed], known).closed_loop(1, 0.3)
        assert wrong.count(Kind.WRONG) == len(wrong.outcomes) > 0

        gone = replace(tenants[0], session_id="nobody")
        failed = await Traffic(process.port, [gone], known).closed_loop(1, 0.3)
        assert failed.refusals().endswith("x 404 session_not_found")
        assert failed.count(Kind.FAILED) == len(failed.outcomes) > 0
