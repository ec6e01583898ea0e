"""`GET /metrics` over HTTP: what moves when requests come, and what never shows."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from model.contract import SupportSet
from service.access import key_file, key_line, new_key
from service.app import create_app
from service.engine import FakeEngine, ImageU8, Predictions
from service.errors import QueueFullError
from service.sessions import CodecPool
from service.settings import Settings
from service.stores import MemoryStore
from service.telemetry import Metrics, add_stage
from tests.service.http_api import (
    assert_problem,
    new_session,
    post_segment,
    post_support,
    running,
)
from tests.service.pictures import picture
from tests.service.scraping import scrape
from tests.service.session_limits import LIMITS

MARKER = "patient-4711"


class FullEngine(FakeEngine):
    """Has no room for queries."""

    async def segment(
        self, images: Sequence[ImageU8], classes: Sequence[SupportSet]
    ) -> Predictions:
        raise QueueFullError("full")


class QueueingEngine(FakeEngine):
    """Knows from elsewhere how long a query waited."""

    async def segment(
        self, images: Sequence[ImageU8], classes: Sequence[SupportSet]
    ) -> Predictions:
        add_stage("queue", 0.25)
        return await super().segment(images, classes)


class StoreWithoutFigures:
    """A store that cannot tell what it holds; no call of a session ever comes."""


def client_of(app: FastAPI) -> httpx.AsyncClient:
    """A client of an application that is not started."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://service")


async def test_requests_are_counted_by_route_method_and_status(client: httpx.AsyncClient) -> None:
    session_id = await new_session(client, [picture()])
    for _ in range(2):
        await post_segment(client, session_id, [picture()])
    await client.get("/sessions/nobody")
    await post_support(client, [picture()], class_name="")

    found = await scrape(client)

    def count(route: str, method: str, status: str) -> float:
        return found.value("fss_requests_total", route=route, method=method, status=status)

    assert count("/segment", "POST", "200") == 2
    assert count("/support", "POST", "201") == 1
    assert count("/support", "POST", "422") == 1
    assert count("/sessions/{session_id}", "GET", "404") == 1
    assert found.value("fss_problems_total", code="session_not_found") == 1
    assert found.value("fss_problems_total", code="invalid_request") == 1
    segmenting = {"route": "/segment", "status_class": "2xx"}
    assert found.value("fss_request_seconds_count", **segmenting) == 2
    assert 0 < found.value("fss_request_seconds_sum", **segmenting) < 60
    assert found.value("fss_requests_in_progress") == 1  # the scrape itself


async def test_refusals_are_counted_by_their_code(settings: Settings) -> None:
    async with client_of(create_app(settings, engine=FakeEngine())) as client:
        assert_problem(await post_support(client, [picture()]), 503, "not_ready")
        assert (await scrape(client)).value("fss_problems_total", code="not_ready") == 1
    async with running(create_app(settings, engine=FullEngine())) as client:
        session_id = await new_session(client, [picture()])
        assert_problem(await post_segment(client, session_id, [picture()]), 503, "queue_full")
        found = await scrape(client)
    assert found.value("fss_problems_total", code="queue_full") == 1
    full = {"route": "/segment", "method": "POST", "status": "503"}
    assert found.value("fss_requests_total", **full) == 1


async def test_stages_have_the_names_of_server_timing(settings: Settings) -> None:
    async with running(create_app(settings)) as client:
        supported = await post_support(client, [picture()], adapt="true")
        session_id = supported.json()["session_id"]
        segmented = await post_segment(client, session_id, [picture(seed=1)])
        found = await scrape(client)
    timings = [response.headers["server-timing"] for response in (supported, segmented)]
    named = {entry.split(";")[0] for timing in timings for entry in timing.split(", ")}
    assert named == {"decode", "queue", "encode", "prototype", "adapt", "head", "report", "mask"}
    assert found.values_of("fss_stage_seconds_count", "stage") == named
    assert found.value("fss_stage_seconds_count", stage="encode") == 2
    assert found.value("fss_stage_seconds_count", stage="mask") == 1


async def test_stage_timed_elsewhere(settings: Settings) -> None:
    async with running(create_app(settings, engine=QueueingEngine())) as client:
        session_id = await new_session(client, [picture()])
        response = await post_segment(client, session_id, [picture()])
        found = await scrape(client)
    assert "queue;dur=250.0" in response.headers["server-timing"]
    assert found.value("fss_stage_seconds_sum", stage="queue") == pytest.approx(0.25)


async def test_clients_cannot_make_labels(client: httpx.AsyncClient) -> None:
    await client.get("/nowhere")
    before = await scrape(client)
    for number in range(20):
        await client.get(f"/nowhere/{number}")
        await client.get(f"/nowhere?number={number}")
        await client.request(f"METHOD{number}", "/nowhere")
    await client.get("/sessions/one")
    await client.request("BREW", "/segment")
    after = await scrape(client)
    assert after.values_of("fss_requests_total", "route") - before.values_of(
        "fss_requests_total", "route"
    ) == {"/metrics", "/sessions/{session_id}", "/segment"}
    unknown = {"route": "unknown", "status": "404"}
    assert after.value("fss_requests_total", method="GET", **unknown) == 41
    assert after.value("fss_requests_total", method="_OTHER", **unknown) == 20


async def test_metrics_hold_nothing_of_the_user(client: httpx.AsyncClient) -> None:
    headers = {"X-Request-ID": MARKER, "User-Agent": MARKER}
    session_id = await new_session(client, [picture()], MARKER)
    await post_segment(client, session_id, [picture()], classes=MARKER)
    await post_segment(client, MARKER, [picture()])
    await client.get(f"/{MARKER}?{MARKER}", headers=headers)
    await client.delete(f"/sessions/{session_id}/classes/{MARKER}", headers=headers)
    found = await scrape(client)
    assert MARKER not in found.text
    assert session_id not in found.text


async def test_store_and_build(settings: Settings, fake_engine: FakeEngine) -> None:
    async with running(create_app(settings, engine=fake_engine)) as client:
        session_id = await new_session(client, [picture()] * 3)
        await new_session(client, [picture()])
        held = await scrape(client)
        await client.delete(f"/sessions/{session_id}")
        left = await scrape(client)
    assert (held.value("fss_store_sessions"), left.value("fss_store_sessions")) == (2, 1)
    # Three shots and one are held, then one is.
    assert held.value("fss_store_bytes") == 4 * left.value("fss_store_bytes") > 0
    build = {"version": "0.1.0", "model": "fake@1", "provider": "fake"}
    assert held.value("fss_build_info", **build) == 1
    assert held.value("process_resident_memory_bytes") > 0
    assert held.value("process_open_fds") > 0


async def test_a_spoilt_file_of_keys_shows_without_a_request(
    settings: Settings, fake_engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_file, "_CHECK_EVERY_S", 0.0)
    path = tmp_path / "keys"
    path.write_text(key_line("lab", new_key()))
    guarded = settings.model_copy(update={"api_keys_file": path})
    async with running(create_app(guarded, engine=fake_engine)) as client:
        assert (await scrape(client)).value("fss_api_keys_current") == 1
        path.write_text("lab")
        assert (await scrape(client)).value("fss_api_keys_current") == 0
    async with running(create_app(settings, engine=fake_engine)) as client:
        assert "fss_api_keys_current" not in (await scrape(client)).text


async def test_codec_pool_tells_what_waits() -> None:
    pool, done = CodecPool(2), asyncio.Event()
    loop = asyncio.get_running_loop()

    def work() -> None:
        asyncio.run_coroutine_threadsafe(done.wait(), loop).result()

    calls = asyncio.gather(*(pool.run(work) for _ in range(5)))
    await asyncio.sleep(0)
    assert pool.waiting == 3
    done.set()
    await calls
    assert pool.waiting == 0
    await pool.close()


def test_store_without_figures_has_no_gauges() -> None:
    metrics = Metrics()
    metrics.watch_store(StoreWithoutFigures())
    assert "fss_store" not in metrics.exposition("").text.decode()
    metrics.watch_store(MemoryStore(LIMITS, max_sessions=1, max_bytes=1))
    assert "fss_store_sessions 0.0" in metrics.exposition("").text.decode()


async def test_applications_do_not_share_counts(settings: Settings) -> None:
    first, second = (create_app(settings, engine=FakeEngine()) for _ in range(2))
    async with client_of(first) as one, client_of(second) as other:
        await one.get("/healthz")
        healthy = {"route": "/healthz", "method": "GET", "status": "200"}
        assert (await scrape(one)).value("fss_requests_total", **healthy) == 1
        assert (await scrape(other)).value("fss_requests_total", **healthy) == 0


async def test_open_metrics_when_asked_for(client: httpx.AsyncClient) -> None:
    await client.get("/healthz")
    accept = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
    response = await client.get("/metrics", headers=accept)
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert response.text.endswith("# EOF\n")
    families = text_string_to_metric_families(response.text)  # type: ignore[no-untyped-call]
    assert "fss_requests" in {family.name for family in families}
    plain = await client.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")


@pytest.mark.parametrize("media_type", ["application/openmetrics-text", "text/plain"])
async def test_a_version_that_is_none_gets_the_plain_format(
    client: httpx.AsyncClient, media_type: str
) -> None:
    response = await client.get("/metrics", headers={"Accept": f"{media_type}; version=abc"})
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")


async def test_metrics_can_be_turned_off(settings: Settings, fake_engine: FakeEngine) -> None:
    hidden = settings.model_copy(update={"metrics": False})
    async with running(create_app(hidden, engine=fake_engine)) as client:
        assert_problem(await client.get("/metrics"), 404, "not_found")


@pytest.mark.parametrize("shown", [True, False])
def test_metrics_are_no_part_of_the_documented_api(settings: Settings, shown: bool) -> None:
    app = create_app(settings.model_copy(update={"metrics": shown}), engine=FakeEngine())
    assert "/metrics" not in app.openapi()["paths"]


async def test_engine_tells_of_batches_queues_and_its_cache(settings: Settings) -> None:
    settings = settings.model_copy(update={"prediction_cache_bytes": 0})
    async with running(create_app(settings)) as client:
        session_id = await new_session(
            client, [picture(), picture(seed=1)], report="false", adapt="false"
        )
        for _ in range(2):
            await post_segment(client, session_id, [picture(seed=2), picture(seed=3)])
        cpu = {"device": "cpu", "model": "tiny@test"}
        found = await scrape(client)
        # A batch is counted right behind its answers.
        async with asyncio.timeout(30):
            while found.value("fss_engine_batch_items_sum", lane="head", **cpu) < 4:
                found = await scrape(client)
    of_queries = {"lane": "query"} | cpu
    assert found.value("fss_engine_batch_items_sum", **of_queries) == 2
    assert found.value("fss_engine_wait_seconds_count", **of_queries) == 2
    of_supports = {"lane": "support"} | cpu
    assert found.value("fss_engine_batch_items_sum", **of_supports) == 2 * 3  # views of each
    assert found.value("fss_engine_batch_items_sum", lane="head", **cpu) == 4
    assert found.value("fss_engine_queue_depth", **of_queries) == 0
    assert found.value("fss_engine_cache_lookups_total", outcome="hit") == 2
    assert found.value("fss_engine_cache_lookups_total", outcome="miss") == 2
    assert found.value("fss_engine_cache_bytes") > 0
