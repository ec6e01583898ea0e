"""The service over a real Redis: restarts, replicas of other models, and outages."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from service.app import create_app
from service.engine import FakeEngine
from service.engine.fake import FAKE_MANIFEST
from service.settings import Settings
from tests.service.engines import CountingEngine
from tests.service.http_api import (
    InProcess,
    assert_problem,
    new_session,
    post_segment,
    post_support,
    running,
)
from tests.service.pictures import picture
from tests.service.redis_server import RedisServer

pytestmark = pytest.mark.redis


@pytest.fixture
def server(redis_directory: Path) -> Iterator[RedisServer]:
    """A server of its own, which keeps what it was told."""
    server = RedisServer(redis_directory, persistent=True)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def shared(settings: Settings, server: RedisServer) -> Settings:
    # Only one of several applications can have the jobs, for which the others would wait.
    update = {"store_url": SecretStr(server.url), "store_timeout_s": 20.0, "jobs_dir": None}
    return settings.model_copy(update=update)


@pytest.fixture
async def shared_client(shared: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with running(create_app(shared, engine=FakeEngine())) as client:
        yield client


async def test_session_outlives_the_service(shared: Settings) -> None:
    async with running(create_app(shared, engine=FakeEngine())) as client:
        session_id = await new_session(client, [picture()])
        before = (await post_segment(client, session_id, [picture(seed=3)])).json()
    async with running(create_app(shared, engine=FakeEngine())) as client:
        assert (await post_segment(client, session_id, [picture(seed=3)])).json() == before


async def test_session_of_another_model_is_named_but_not_used(
    shared: Settings, shared_client: httpx.AsyncClient
) -> None:
    session_id = await new_session(shared_client, [picture()])
    engine = CountingEngine()
    wider = {"revision": "2", "channels": 5}
    engine.manifest = FAKE_MANIFEST.model_copy(update=wider)
    async with running(create_app(shared, engine=engine)) as client:
        segment = await post_segment(client, session_id, [picture()])
        assert "fake@1" in assert_problem(segment, 409, "model_mismatch")["detail"]
        support = await post_support(client, [picture()], session_id=session_id)
        assert_problem(support, 409, "model_mismatch")
        assert engine.encoded == 0
        assert (await client.get(f"/sessions/{session_id}")).json()["model"] == "fake@1"
        assert (await client.delete(f"/sessions/{session_id}")).status_code == 204


async def test_outage_ends_readiness_but_not_life_and_is_got_over(
    shared_client: httpx.AsyncClient, server: RedisServer
) -> None:
    client = shared_client
    session_id = await new_session(client, [picture()])
    server.kill()
    for response in (
        await client.get("/readyz"),
        await client.get(f"/sessions/{session_id}"),
        await client.get(f"/sessions/{session_id}/archive"),
        await post_segment(client, session_id, [picture()]),
        await post_support(client, [picture()]),
    ):
        assert_problem(response, 503, "store_unavailable")
        assert int(response.headers["retry-after"]) >= 1
        assert "sock" not in response.text
    assert (await client.get("/healthz")).status_code == 200
    server.start()
    assert (await client.get("/readyz")).status_code == 200
    assert (await post_segment(client, session_id, [picture()])).status_code == 200


async def test_outage_at_the_start_is_waited_for(settings: Settings, server: RedisServer) -> None:
    server.kill()
    late = settings.model_copy(update={"store_url": SecretStr(server.url)})
    app = create_app(late, engine=FakeEngine())
    transport = InProcess(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://service") as client,
    ):
        assert (await client.get("/healthz")).status_code == 200
        while (response := await client.get("/readyz")).json().get("code") == "not_ready":
            pass
        assert_problem(response, 503, "store_unavailable")
        server.start()
        assert (await client.get("/readyz")).status_code == 200
