"""Limits on bodies, files, requests in progress and time."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest

from model.contract import SupportSet
from service.app import create_app
from service.engine import FakeEngine, ImageU8, Predictions
from service.sessions import labelling
from service.settings import Settings
from tests.service.engines import BusyEngine
from tests.service.http_api import (
    assert_problem,
    files,
    new_session,
    post_segment,
    post_support,
    running,
)
from tests.service.pictures import picture

MULTIPART = {"Content-Type": "multipart/form-data; boundary=b"}
START = b'--b\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\n'


class StuckEngine(FakeEngine):
    """Segments only once released; `both` is set when a second request has come."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = asyncio.Event()
        self.both = asyncio.Event()
        self.release = asyncio.Event()

    async def segment(
        self, images: Sequence[ImageU8], classes: Sequence[SupportSet]
    ) -> Predictions:
        if self.entered.is_set():
            self.both.set()
        self.entered.set()
        await self.release.wait()
        return await super().segment(images, classes)


@pytest.mark.parametrize("path", ["/support", "/segment"])
async def test_announced_body_is_refused_unread(
    settings: Settings, fake_engine: FakeEngine, path: str
) -> None:
    async def unreadable() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    bounded = settings.model_copy(update={"max_body_bytes": 1024})
    async with running(create_app(bounded, engine=fake_engine)) as client:
        response = await client.post(
            path, content=unreadable(), headers=MULTIPART | {"Content-Length": "1025"}
        )
        assert_problem(response, 413, "body_too_large")


async def test_streamed_body_is_cut_off_at_the_limit(
    settings: Settings, fake_engine: FakeEngine
) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield START
        while True:
            sent += 1024
            yield bytes(1024)

    bounded = settings.model_copy(update={"max_body_bytes": 64 * 1024})
    async with running(create_app(bounded, engine=fake_engine)) as client:
        response = await client.post("/segment", content=endless(), headers=MULTIPART)
        assert_problem(response, 413, "body_too_large")
    assert sent <= 65 * 1024


async def test_body_at_the_limit_is_taken(settings: Settings, fake_engine: FakeEngine) -> None:
    request = httpx.Request("POST", "http://service/segment", files=files("images", [bytes(2000)]))
    exact = settings.model_copy(update={"max_body_bytes": len(request.read())})
    async with running(create_app(exact, engine=fake_engine)) as client:
        response = await client.send(request)
        assert_problem(response, 422, "invalid_request")  # read to its end: no session given


@pytest.mark.parametrize("field", ["images", "masks"])
async def test_too_many_files(client: httpx.AsyncClient, field: str) -> None:
    contents = {"images": [picture().image_png], "masks": [picture().mask_png]}
    contents[field] *= 17
    response = await client.post(
        "/support",
        data={"class_name": "thing"},
        files=files("images", contents["images"]) + files("masks", contents["masks"]),
    )
    assert assert_problem(response, 413, "too_many_files")["location"] == field


async def test_requests_beyond_the_limit_are_sent_away(settings: Settings) -> None:
    engine = StuckEngine()
    bounded = settings.model_copy(update={"max_requests": 2})
    async with running(create_app(bounded, engine=engine)) as client:
        session_id = await new_session(client, [picture()])
        inside = [
            asyncio.create_task(post_segment(client, session_id, [picture()])) for _ in range(2)
        ]
        await engine.both.wait()
        refused = await post_segment(client, session_id, [picture()])
        assert_problem(refused, 503, "queue_full")
        assert int(refused.headers["retry-after"]) >= 1
        engine.release.set()
        assert [(await task).status_code for task in inside] == [200, 200]
        assert (await post_segment(client, session_id, [picture()])).status_code == 200


async def test_deadline_ends_a_request_and_frees_its_place(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    engine = StuckEngine()
    hasty = settings.model_copy(update={"deadline_s": 0.5, "max_requests": 1})
    async with running(create_app(hasty, engine=engine)) as client:
        session_id = await new_session(client, [picture()])
        late = await post_segment(client, session_id, [picture()])
        assert_problem(late, 504, "deadline_exceeded")
        (line,) = [record for record in caplog.records if record.name == "service.api.problems"]
        assert (line.levelname, line.exc_info) == ("WARNING", None)
        engine.release.set()
        assert (await post_segment(client, session_id, [picture()])).status_code == 200


async def test_masks_of_a_late_request_are_drawn_no_further(
    fake_engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, describe = 0, labelling._describe

    def slowly(*arguments: Any) -> Any:
        nonlocal drawn
        drawn += 1
        time.sleep(0.25)
        return describe(*arguments)

    monkeypatch.setattr(labelling, "_describe", slowly)
    async with running(create_app(Settings(deadline_s=1.0), engine=fake_engine)) as client:
        session_id = await new_session(client, [picture()])
        for number in range(7):
            await post_support(client, [picture()], f"more-{number}", session_id=session_id)
        late = await post_segment(client, session_id, [picture()])
        assert_problem(late, 504, "deadline_exceeded")
        until = drawn
        await asyncio.sleep(0.6)
        assert drawn <= until + 1 < 8


async def stalled(
    awaited: asyncio.Event | None = None, begin: bytes = START
) -> AsyncIterator[bytes]:
    """A body that begins and never ends; `awaited` is set once more of it is asked for."""
    yield begin
    if awaited is not None:
        awaited.set()
    await asyncio.Event().wait()


async def test_slow_upload_meets_its_deadline(settings: Settings, fake_engine: FakeEngine) -> None:
    hasty = settings.model_copy(update={"upload_s": 0.1})
    async with running(create_app(hasty, engine=fake_engine)) as client:
        response = await client.post("/segment", content=stalled(), headers=MULTIPART)
        problem = assert_problem(response, 504, "deadline_exceeded")
        assert problem["detail"] == "the body took longer than 0.1 s to arrive"


async def test_a_busy_service_refuses_every_body_before_it_is_read(settings: Settings) -> None:
    engine, awaited = StuckEngine(), asyncio.Event()
    full = settings.model_copy(update={"max_requests": 1})
    async with running(create_app(full, engine=engine)) as client:
        session_id = await new_session(client, [picture()])
        inside = asyncio.create_task(post_segment(client, session_id, [picture()]))
        await engine.entered.wait()
        for method, path in (("PUT", f"/sessions/{session_id}/archive"), ("POST", "/v1/predict")):
            refused = await client.request(method, path, content=stalled(awaited))
            assert_problem(refused, 503, "queue_full")
        assert not awaited.is_set()
        engine.release.set()
        assert (await inside).status_code == 200


async def test_bodies_together_are_bounded(settings: Settings, fake_engine: FakeEngine) -> None:
    awaited = asyncio.Event()
    limits = {"max_body_bytes": 100_000, "max_upload_bytes": 100_000}
    bounded = settings.model_copy(update=limits)
    request = httpx.Request(
        "POST", "http://service/segment", files=files("images", [bytes(60_000)])
    )
    request.read()
    async with running(create_app(bounded, engine=fake_engine)) as client:
        half = stalled(awaited, START + bytes(50_000))
        holding = asyncio.create_task(client.post("/segment", content=half, headers=MULTIPART))
        await awaited.wait()
        refused = await client.send(request)
        assert_problem(refused, 503, "queue_full")
        assert int(refused.headers["retry-after"]) >= 1
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)
        # Now there is room: read to its end, and refused for naming no session.
        assert_problem(await client.send(request), 422, "invalid_request")


async def test_stalled_uploads_do_not_keep_a_good_one_out(
    settings: Settings, fake_engine: FakeEngine
) -> None:
    bounded = settings.model_copy(update={"max_requests": 1})
    awaited = [asyncio.Event() for _ in range(5)]
    async with running(create_app(bounded, engine=fake_engine)) as client:
        stuck = [
            asyncio.create_task(client.post("/segment", content=stalled(each), headers=MULTIPART))
            for each in awaited
        ]
        await asyncio.gather(*(each.wait() for each in awaited))
        session_id = await new_session(client, [picture()])
        assert (await post_segment(client, session_id, [picture()])).status_code == 200
        assert not any(task.done() for task in stuck)
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)


class CostlyEngine(StuckEngine):
    """Every request keeps it busy for three seconds."""

    def wait_s(self, inside: int) -> float:
        return 3.0 * inside


async def unreadable() -> AsyncIterator[bytes]:
    raise AssertionError("the body was read")
    yield b""


async def test_no_body_is_read_while_there_is_no_place(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    engine = StuckEngine()
    bounded = settings.model_copy(update={"max_requests": 1})
    async with running(create_app(bounded, engine=engine)) as client:
        session_id = await new_session(client, [picture()])
        inside = asyncio.create_task(post_segment(client, session_id, [picture()]))
        await engine.entered.wait()
        refused = await client.post("/segment", content=unreadable(), headers=MULTIPART)
        assert_problem(refused, 503, "queue_full")
        nowhere = await client.post("/nowhere", content=b"")
        assert_problem(nowhere, 404, "not_found")
        engine.release.set()
        assert (await inside).status_code == 200
    lines = [vars(record) for record in caplog.records if record.name == "service.requests"]
    assert [line["route"] for line in lines if line["status"] in (404, 503)][-2:] == [
        "/segment",
        None,
    ]


async def test_who_would_wait_too_long_is_sent_away_at_once_and_told_for_how_long(
    settings: Settings,
) -> None:
    engine = CostlyEngine()
    async with running(create_app(settings, engine=engine)) as client:
        session_id = await new_session(client, [picture()])
        inside = [
            asyncio.create_task(post_segment(client, session_id, [picture()])) for _ in range(2)
        ]
        await engine.both.wait()
        refused = await client.post("/segment", content=unreadable(), headers=MULTIPART)
        assert_problem(refused, 503, "queue_full")
        assert refused.headers["retry-after"] == "3"  # half of the six seconds
        engine.release.set()
        assert [(await task).status_code for task in inside] == [200, 200]
        assert (await post_segment(client, session_id, [picture()])).status_code == 200


async def test_the_wait_that_counts_is_that_for_the_model_of_the_request(
    settings: Settings,
) -> None:
    """As in pools of replicas, one for each model, which do not share their devices."""
    busy, idle = BusyEngine("busy"), BusyEngine("idle")
    await idle.start()
    app = create_app(settings, engine=busy)
    app.state.context.resources.models.switch([busy, idle], "busy")
    async with running(app) as client:
        sessions = [await new_session(client, [picture()], model=name) for name in ("busy", "idle")]
        busy.busy_s = 9.0
        answers = [await post_segment(client, each, [picture()]) for each in sessions]
        assert_problem(answers[0], 503, "queue_full")
        assert answers[0].headers["retry-after"] == "5"
        assert answers[1].status_code == 200
        as_png = await post_segment(client, sessions[0], [picture()], accept="image/png")
        assert_problem(as_png, 503, "queue_full")
        assert_problem(await post_support(client, [picture()]), 503, "queue_full")
        assert (await post_support(client, [picture()], model="idle")).status_code == 201
        idle.busy_s = 5.0
        refused = await client.post("/segment", content=unreadable(), headers=MULTIPART)
        assert_problem(refused, 503, "queue_full")
