"""Probes, models, problems of the router, request ids, stage times and log lines."""

import asyncio
import json
import logging

import httpx
import pytest
from starlette.types import Message

from service.app import create_app
from service.engine import FakeEngine
from service.settings import Settings
from tests.service.engines import BrokenEngine
from tests.service.http_api import assert_problem, new_session, post_segment, running
from tests.service.pictures import picture


class LoadingEngine(FakeEngine):
    """Becomes ready, or fails, when told."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded = asyncio.Event()

    async def start(self) -> None:
        await self.loaded.wait()
        if self.failure is None:
            await super().start()


def client_of(settings: Settings, engine: FakeEngine) -> httpx.AsyncClient:
    """A client of an application whose lifespan the test runs itself."""
    transport = httpx.ASGITransport(app=create_app(settings, engine=engine))
    return httpx.AsyncClient(transport=transport, base_url="http://service")


async def test_ready_only_after_the_engine(settings: Settings) -> None:
    engine = LoadingEngine()
    app = create_app(settings, engine=engine)
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://service") as client,
    ):
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        response = await client.get("/readyz")
        assert_problem(response, 503, "not_ready")
        assert "retry-after" in response.headers
        engine.loaded.set()
        await asyncio.sleep(0)
        assert (await client.get("/readyz")).json() == {"status": "ready"}


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_probes_answer_head(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.head(path)).status_code == 200


async def test_engine_that_failed_is_unhealthy(settings: Settings) -> None:
    engine = FakeEngine()
    engine.failure = "no such device"
    async with client_of(settings, engine) as client:
        response = await client.get("/healthz")
        assert_problem(response, 500, "engine_failed")
        assert "device" not in response.text
        assert_problem(await client.get("/readyz"), 503, "not_ready")
        assert (await client.get("/models")).json()["models"][0]["devices"] == {}


async def test_a_probe_of_an_engine_that_failed_says_why_in_one_line(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    engine = FakeEngine()
    engine.failure = "no such device"
    async with client_of(settings, engine) as client:
        await client.get("/healthz")
    (line,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert (line.message, vars(line)["reason"]) == ("engine failed", "no such device")
    assert line.exc_info is None


async def test_work_before_readiness_is_retryable(settings: Settings) -> None:
    async with client_of(settings, FakeEngine()) as client:
        response = await client.post(
            "/support",
            data={"class_name": "thing"},
            files={"images": picture().image_png, "masks": picture().mask_png},
        )
        assert_problem(response, 503, "not_ready")


async def test_models_name_what_answers_name(client: httpx.AsyncClient) -> None:
    (model,) = (await client.get("/models")).json()["models"]
    assert (model["model"], model["input_side"], model["threshold"]) == ("fake@1", 64, 0.5)


async def test_threshold_of_the_settings_is_the_default(
    settings: Settings, fake_engine: FakeEngine
) -> None:
    strict = settings.model_copy(update={"threshold": 1.0})
    async with running(create_app(strict, engine=fake_engine)) as client:
        (model,) = (await client.get("/models")).json()["models"]
        assert model["threshold"] == 1.0
        session_id = await new_session(client, [picture()])
        result = (await post_segment(client, session_id, [picture()])).json()["results"][0]
        assert result["classes"][0]["area"] == 0


async def test_unmatched_path_and_method(client: httpx.AsyncClient) -> None:
    assert_problem(await client.get("/nowhere"), 404, "not_found")
    response = await client.get("/support")
    assert_problem(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "POST"


async def test_unexpected_error_shows_nothing(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(
        create_app(settings, engine=BrokenEngine("secret path /etc/passwd"))
    ) as client:
        session_id = await new_session(client, [picture()])
        response = await post_segment(client, session_id, [picture()])
        problem = assert_problem(response, 500, "internal_error")
    assert "secret" not in response.text
    assert "ZeroDivision" not in response.text
    assert problem["detail"] == "Internal error"
    assert "secret path" in caplog.text  # for the operator


@pytest.mark.parametrize(
    ("sent", "kept"), [("abc-123_x.y", True), ("a b", False), ("x" * 65, False), ("", False)]
)
async def test_request_id_is_kept_if_harmless(
    client: httpx.AsyncClient, sent: str, kept: bool
) -> None:
    response = await client.get("/healthz", headers={"X-Request-ID": sent})
    assert (response.headers["x-request-id"] == sent) is kept
    assert response.headers["x-request-id"]


async def test_stage_times(settings: Settings) -> None:
    async with running(create_app(settings)) as client:
        session_id = await new_session(client, [picture()])
        response = await post_segment(client, session_id, [picture(seed=1)])
    entries = dict(entry.split(";dur=") for entry in response.headers["server-timing"].split(", "))
    assert list(entries) == ["decode", "queue", "encode", "head", "mask"]
    assert all(float(duration) >= 0 for duration in entries.values())


async def test_log_holds_no_session_and_no_names(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    session_id = await new_session(client, [picture()], "patient-name")
    await client.get(f"/sessions/{session_id}", headers={"X-Request-ID": "my-request"})
    await client.delete(f"/sessions/{session_id}/classes/patient-name")
    lines = [
        json.dumps(vars(record), default=str)
        for record in caplog.records
        if record.name.startswith("service")
    ]
    routes = [getattr(r, "route", None) for r in caplog.records if r.name == "service.requests"]
    assert routes[-3:] == [
        "/support",
        "/sessions/{session_id}",
        "/sessions/{session_id}/classes/{name:path}",
    ]
    assert not any(session_id in line or "patient-name" in line for line in lines)


async def test_upload_that_breaks_off_is_no_error_of_the_service(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    app = create_app(settings, engine=FakeEngine())
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/segment",
        "query_string": b"",
        "headers": [(b"content-type", b"multipart/form-data; boundary=b")],
    }
    received: list[Message] = [
        {"type": "http.request", "body": b"--b\r\n", "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return received.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    assert sent == []
    (line,) = [record for record in caplog.records if record.name.startswith("service")]
    assert (line.name, line.levelname) == ("service.requests", "INFO")
    assert vars(line)["status"] == 499


async def test_no_cross_origin_access(client: httpx.AsyncClient) -> None:
    response = await client.get("/models", headers={"Origin": "https://elsewhere.example"})
    assert "access-control-allow-origin" not in response.headers
