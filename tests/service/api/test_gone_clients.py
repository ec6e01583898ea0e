"""Clients that go before their answer, over real sockets."""

import asyncio
import logging
from collections.abc import Sequence

import httpx
import pytest

from model.contract import SupportSet
from service.engine import FakeEngine, ImageU8, Predictions
from service.settings import Settings
from tests.service.http_api import assert_problem, files, listening, new_session, post_segment
from tests.service.pictures import picture


class StuckEngine(FakeEngine):
    """Segments only once released, and tells what became of a call."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = asyncio.Event()
        self.withdrawn = asyncio.Event()
        self.release = asyncio.Event()

    async def segment(
        self, images: Sequence[ImageU8], classes: Sequence[SupportSet]
    ) -> Predictions:
        self.entered.set()
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.withdrawn.set()
            raise
        return await super().segment(images, classes)


async def send_segment(client: httpx.AsyncClient, session_id: str) -> asyncio.StreamWriter:
    """Send a whole request on a socket of its own, and keep that open."""
    request = client.build_request(
        "POST",
        "/segment",
        data={"session_id": session_id},
        files=files("images", [picture().image_png]),
    )
    _, writer = await asyncio.open_connection(request.url.host, request.url.port)
    lines = [f"{name}: {value}" for name, value in request.headers.items()]
    head = "\r\n".join(["POST /segment HTTP/1.1", *lines, "", ""])
    writer.write(head.encode() + await request.aread())
    await writer.drain()
    return writer


async def test_client_that_goes_frees_its_place_at_once(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    engine = StuckEngine()
    lonely = settings.model_copy(update={"max_requests": 1, "max_client_requests": 1})
    async with listening(lonely, engine) as client:
        session_id = await new_session(client, [picture()])
        writer = await send_segment(client, session_id)
        await asyncio.wait_for(engine.entered.wait(), 20)
        assert_problem(await post_segment(client, session_id, [picture()]), 503, "queue_full")
        writer.close()
        await asyncio.wait_for(engine.withdrawn.wait(), 20)
        engine.release.set()
        assert (await post_segment(client, session_id, [picture()])).status_code == 200
    statuses = [vars(r)["status"] for r in caplog.records if r.name == "service.requests"]
    assert statuses == [201, 503, 499, 200]
    louder = [record.getMessage() for record in caplog.records if record.levelno > logging.INFO]
    assert louder == ["request refused"]  # who went is no news
