"""What is sent again, when, and how often; against a server that follows a script."""

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Literal

import httpx
import pytest

from service.client import AsyncClient, Client, Retries, calls
from service.client.errors import (
    ApiError,
    ConnectionFailedError,
    NotReadyError,
    QueueFullError,
    RateLimitedError,
    RetryableError,
    SessionNotFoundError,
    StoreUnavailableError,
    UnexpectedAnswerError,
)
from service.client.exchange import Pause, RunBlocking, SendRequest, exchange
from service.client.job_calls import create_job
from service.client.retries import Contact
from tests.service.client.scripted_server import Answer, Scripted, problem, scripted
from tests.service.pictures import picture
from tests.service.processes import unused_port

SOON = {"Retry-After": "1"}
READY: Answer = (200, {"status": "ready"}, {})
QUICK = Retries(attempts=3, first_wait_s=0.01)


def test_waits_as_long_as_the_service_asks() -> None:
    script = Scripted((503, problem(503, "not_ready"), SOON), READY)
    with scripted(script) as url, Client(url) as client:
        started = time.monotonic()
        assert client.ready().status == "ready"
        assert time.monotonic() - started >= 1
    assert script.asked == ["/readyz", "/readyz"]


EMPTY = {"height": 120, "width": 160, "classes": []}
FOUND: Answer = (200, {"session_id": "s", "model": "m", "results": [EMPTY]}, {})
BROKE: Answer = (200, b"{", {"Content-Length": "99"})
AWAY: Answer = (503, problem(503, "not_ready"), {})


async def test_a_stream_outlasts_a_service_that_starts_again() -> None:
    """Which takes longer than the attempts of one request do."""
    images = [picture().image_png] * 3
    answers = [FOUND, BROKE, *[AWAY] * 12, FOUND, *[AWAY] * 12, FOUND]
    with scripted(Scripted(*answers)) as url, Client(url, retries=QUICK) as client:
        found = client.session("s").segment_many(images, batch=1, concurrency=1)
        assert len(list(found)) == 3
    with scripted(Scripted(*answers)) as url:
        async with AsyncClient(url, retries=QUICK) as client_:
            many = client_.session("s").segment_many(images, batch=1, concurrency=1)
            assert len([each async for each in many]) == 3


def test_a_stream_waits_no_longer_than_it_is_to() -> None:
    image = picture().image_png
    script = Scripted(FOUND, AWAY)
    with scripted(script) as url, Client(url, retries=replace(QUICK, restart_s=0.5)) as client:
        began = time.monotonic()
        with pytest.raises(NotReadyError):
            list(client.session("s").segment_many([image] * 2, batch=1))
        assert 0.5 <= time.monotonic() - began < 10
    for retries, error, asked in (
        (QUICK, "queue_full", 1 + 3),  # it is there, and busy
        (Retries(attempts=1), "not_ready", 1 + 1),
    ):
        script = Scripted(FOUND, (503, problem(503, error), {}))
        with scripted(script) as url, Client(url, retries=retries) as client:
            found = client.session("s").segment_many([image] * 2, batch=1, concurrency=1)
            with pytest.raises(RetryableError):
                list(found)
        assert len(script.asked) == asked


def test_one_image_does_not_wait_for_a_service_that_starts_again() -> None:
    """On a line it would hold up all others."""
    script = Scripted(AWAY)
    with (
        scripted(script) as url,
        Client(url, retries=QUICK) as client,
        pytest.raises(NotReadyError),
    ):
        client.session("s").segment(picture().image_png)
    assert len(script.asked) == 3


REQUEST = httpx.Request("GET", "http://127.0.0.1:9")
REFUSED = httpx.ConnectError("refused", request=REQUEST)
BROKEN = httpx.RemoteProtocolError("broke", request=REQUEST)


def pauses(outcomes: Sequence[httpx.Response | httpx.RequestError], contact: Contact) -> int:
    """How often an exchange pauses that has these outcomes, the last of them for ever; up to 99."""
    flow, paused = exchange(calls.ready, QUICK, contact), 0
    remaining = list(outcomes)
    step = next(flow)
    try:
        while paused < 99:
            if isinstance(step, RunBlocking):
                step = flow.send(step.run())
            elif isinstance(step, SendRequest):
                step = flow.send(remaining.pop(0) if len(remaining) > 1 else remaining[0])
            elif isinstance(step, Pause):
                paused += 1
                assert step.seconds <= 0.02
                step = flow.send(None)
    except ConnectionFailedError:
        pass
    return paused


def test_who_refuses_connections_is_waited_for_if_it_was_there() -> None:
    assert pauses([REFUSED], Contact()) == 2  # the address may be wrong
    assert pauses([BROKEN, REFUSED], Contact()) == 99
    assert pauses([BROKEN], Contact()) == 2
    known = Contact()
    assert not known.is_away(httpx.Response(200))
    assert pauses([REFUSED], known) == 99


def test_gives_up_after_so_many_attempts() -> None:
    script = Scripted((429, problem(429, "rate_limited"), {}))
    with (
        scripted(script) as url,
        Client(url, retries=QUICK) as client,
        pytest.raises(RateLimitedError, match="as the script says"),
    ):
        client.ready()
    assert len(script.asked) == 3


def test_a_wait_that_is_too_long_is_not_waited_for() -> None:
    script = Scripted((503, problem(503, "queue_full"), {"Retry-After": "3600"}))
    with scripted(script) as url, Client(url) as client, pytest.raises(QueueFullError):
        client.ready()
    assert len(script.asked) == 1


@pytest.mark.parametrize(
    ("code", "asked"), [("queue_full", 3), ("worker_lost", 3), ("store_unavailable", 1)]
)
def test_a_deletion_is_sent_again_only_if_nothing_was_done(code: str, asked: int) -> None:
    """A store that fails may have deleted it; a second time it is not there."""
    script = Scripted((503, problem(503, code), {}))
    with (
        scripted(script) as url,
        Client(url, retries=QUICK) as client,
        pytest.raises(StoreUnavailableError if asked == 1 else RetryableError),
    ):
        client.session("s").delete()
    assert len(script.asked) == asked


@pytest.mark.parametrize("mode", ["append", "replace"])
def test_shots_are_sent_again_under_one_key(mode: Literal["append", "replace"]) -> None:
    """A store that fails may have kept the shots; by the key the service knows them again."""
    script = Scripted((503, problem(503, "store_unavailable"), {}))
    shot = picture()
    with scripted(script) as url, Client(url, retries=QUICK) as client:
        for _ in range(2):
            with pytest.raises(StoreUnavailableError):
                client.session("s").register("thing", shot.image, shot.mask, mode=mode)
    keys = [headers["idempotency-key"] for headers in script.headers]
    assert len(keys) == 6
    assert [len(set(keys[start : start + 3])) for start in (0, 3)] == [1, 1]
    assert len(set(keys)) == 2
    assert all(len(key) == 32 for key in keys)


def test_a_job_is_sent_again_whole_under_one_key(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture().image_png)
    job = {"job_id": "j", "state": "queued", "total": 1, "done": 0, "failed": 0}
    broken: Answer = (202, b"{", {"Content-Length": "99"})
    script = Scripted(broken, broken, (202, job | {"created": "2026-01-01T00:00:00Z"}, {}))
    with scripted(script) as url, Client(url, retries=QUICK) as client:
        assert client.session("s").create_job(tmp_path).id == "j"
    assert script.asked == ["/jobs"] * 3
    assert len({headers["idempotency-key"] for headers in script.headers}) == 1
    # The server has read as many bytes each time.
    assert len({headers["content-length"] for headers in script.headers}) == 1


@pytest.mark.parametrize("code", ["job_storage_failed", "store_unavailable", "unavailable"])
def test_a_job_is_not_sent_again_whole_to_a_service_that_answers(tmp_path: Path, code: str) -> None:
    (tmp_path / "a.png").write_bytes(picture().image_png)
    script = Scripted((503, problem(503, code), {}))
    with (
        scripted(script) as url,
        Client(url, retries=QUICK) as client,
        pytest.raises(ApiError, match="as the script says"),
    ):
        client.session("s").create_job(tmp_path)
    assert len(script.asked) == 1


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (httpx.ReadTimeout("slow"), False),
        (httpx.ReadError("broke"), True),
        (httpx.RemoteProtocolError("broke"), True),
        (httpx.ConnectError("nobody"), True),
    ],
)
def test_a_job_is_sent_again_where_the_connection_broke(
    tmp_path: Path, error: httpx.TransportError, *, again: bool
) -> None:
    (tmp_path / "a.png").write_bytes(picture().image_png)
    call = create_job("s", tmp_path)
    assert call.open_file is not None
    with call.open_file:
        assert call.may_be_repeated(error) == again


def test_nobody_at_the_address() -> None:
    port = unused_port()
    with (
        Client(f"http://127.0.0.1:{port}", retries=QUICK) as client,
        pytest.raises(ConnectionFailedError, match=f"nothing answers at .*{port}"),
    ):
        client.ready()


def test_somebody_else_at_the_address() -> None:
    for status in (404, 200):
        script = Scripted((status, {"hello": "world"}, {}))
        with (
            scripted(script) as url,
            Client(url) as client,
            pytest.raises(UnexpectedAnswerError),
        ):
            client.ready()


def test_a_password_in_the_address_is_not_told() -> None:
    with scripted(Scripted((404, {"hello": "world"}, {}))) as url:
        address = url.replace("//", "//user:secret@")
        with Client(address) as client, pytest.raises(UnexpectedAnswerError) as raised:
            client.ready()
    assert "secret" not in str(raised.value)
    assert f"{url}/readyz" in str(raised.value)


async def test_a_response_that_cannot_be_unpacked_is_an_error_of_the_client(tmp_path: Path) -> None:
    script = Scripted((200, b"hello", {"Content-Encoding": "gzip"}))
    with scripted(script) as url:
        with Client(url, retries=QUICK) as client:
            with pytest.raises(UnexpectedAnswerError, match="not compressed as it says"):
                client.ready()
            with pytest.raises(UnexpectedAnswerError, match="not compressed as it says"):
                client.job("j").results(tmp_path / "out")
        async with AsyncClient(url, retries=QUICK) as waiting:
            with pytest.raises(UnexpectedAnswerError, match="not compressed as it says"):
                await waiting.ready()
            with pytest.raises(UnexpectedAnswerError, match="not compressed as it says"):
                await waiting.job("j").results(tmp_path / "out")


@pytest.mark.parametrize("attempt", [1, 2, 3])
def test_without_a_time_the_wait_doubles_and_is_spread(attempt: int) -> None:
    retries = Retries(first_wait_s=0.5, longest_wait_s=1.5)
    waits = [retries.wait_s(attempt, httpx.Response(503), repeatable=True) for _ in range(50)]
    longest = min(1.5, 0.5 * 2 ** (attempt - 1))
    assert all(wait is not None and longest / 2 <= wait <= longest for wait in waits)
    assert len(set(waits)) > 1


def test_a_date_is_a_time_too() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    response = httpx.Response(503, headers={"Retry-After": date})
    wait_s = Retries().wait_s(1, response, repeatable=True)
    assert wait_s is not None
    assert 18 <= wait_s <= 26


@pytest.mark.parametrize("year", ["99999999999999999999", "x"])
def test_a_date_that_is_none_is_no_time(year: str) -> None:
    response = httpx.Response(503, headers={"Retry-After": f"Mon, 01 Jan {year} 00:00:00 GMT"})
    wait_s = Retries(first_wait_s=0.5).wait_s(1, response, repeatable=True)
    assert wait_s is not None
    assert 0.25 <= wait_s <= 0.5


@pytest.mark.parametrize(
    ("error", "repeatable", "again"),
    [
        (httpx.ConnectError("refused"), False, True),
        (httpx.ReadTimeout("late"), False, False),
        (httpx.ReadTimeout("late"), True, True),
        (httpx.RemoteProtocolError("gone"), False, False),
        (httpx.UnsupportedProtocol("ftp"), True, False),
        (httpx.LocalProtocolError("a header that cannot be sent"), True, False),
    ],
)
def test_what_may_have_been_done_is_not_done_twice(
    error: httpx.TransportError, repeatable: bool, again: bool
) -> None:
    assert (Retries().wait_s(1, error, repeatable=repeatable) is not None) == again


def test_the_session_is_named_where_balancers_look() -> None:
    script = Scripted((404, problem(404, "session_not_found"), {}))
    shot = picture()
    with scripted(script) as url, Client(url) as client:
        session = client.session("known")
        for ask in (
            session.describe,
            session.archive,
            lambda: session.register("thing", shot.image, shot.mask),
            lambda: session.segment(shot.image),
            lambda: session.report("thing"),
        ):
            with pytest.raises(SessionNotFoundError):
                ask()
        with pytest.raises(SessionNotFoundError):
            client.session().register("thing", shot.image, shot.mask)
    named = [headers.get("x-session-id") for headers in script.headers]
    assert named == [*["known"] * 5, None]
