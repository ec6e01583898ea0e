"""Traces as a collector on a real socket receives them."""

import asyncio
import json
import logging
import socket
import time
from collections.abc import Iterator, Sequence

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from pydantic import ValidationError

from model.contract import SupportSet
from service.app import create_app
from service.engine import FakeEngine, ImageU8, Predictions
from service.settings import Settings
from service.telemetry import stage, tracing
from service.telemetry.logs import JsonFormatter
from tests.service.engines import BrokenEngine
from tests.service.http_api import assert_problem, new_session, post_segment, running
from tests.service.otlp_collector import Collector, attributes, collecting
from tests.service.pictures import picture

MARKER = "patient-4711"
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT_ID = "b7ad6b7169203331"


class SlowEngine(FakeEngine):
    """Never comes to an answer, in a stage of its own."""

    async def segment(
        self, images: Sequence[ImageU8], classes: Sequence[SupportSet]
    ) -> Predictions:
        with stage("head"):
            await asyncio.sleep(3600)
        raise AssertionError


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture
def traced(settings: Settings, collector: Collector) -> Settings:
    return settings.model_copy(update={"otlp_endpoint": collector.endpoint})


def nanoseconds(span: Span) -> tuple[int, int]:
    return span.start_time_unix_nano, span.end_time_unix_nano


async def test_request_and_its_stages(traced: Settings, collector: Collector) -> None:
    before = time.time_ns()
    async with running(create_app(traced)) as client:
        session_id = await new_session(client, [picture()])
        await post_segment(client, session_id, [picture(seed=1)])
    span = collector.server_span("POST /segment")
    stages = collector.children(span)
    assert set(stages) == {"decode", "queue", "encode", "head", "mask"}
    assert {child.trace_id for child in stages.values()} == {span.trace_id}
    assert before < span.start_time_unix_nano
    # Both clocks are read one after the other, so they agree to less than a millisecond.
    start, end = nanoseconds(span)
    for child in stages.values():
        stage_start, stage_end = nanoseconds(child)
        assert start - 1_000_000 <= stage_start <= stage_end <= end + 1_000_000
    assert attributes(span.attributes) == {
        "http.request.method": "POST",
        "http.route": "/segment",
        "http.response.status_code": 200,
    }
    assert span.status.code == Status.STATUS_CODE_UNSET
    assert collector.server_span("POST /support").trace_id != span.trace_id


async def test_incoming_trace_is_continued(traced: Settings, collector: Collector) -> None:
    headers = {"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01", "tracestate": f"vendor={MARKER}"}
    async with running(create_app(traced, engine=FakeEngine())) as client:
        await client.get("/models", headers=headers)
    span = collector.server_span("GET /models")
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE_ID, PARENT_ID)
    assert span.trace_state == ""


async def test_trace_that_is_not_sampled_is_not_sent(
    traced: Settings, collector: Collector
) -> None:
    headers = {"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-00"}
    async with running(create_app(traced, engine=FakeEngine())) as client:
        await client.get("/models", headers=headers)
        await client.get("/healthz")
    assert {span.name for span in collector.spans} == {"GET /readyz", "GET /healthz"}


@pytest.mark.parametrize("traceparent", ["", "00-zz", f"00-{'0' * 32}-{PARENT_ID}-01", MARKER])
async def test_broken_traceparent_begins_a_new_trace(
    traced: Settings, collector: Collector, traceparent: str
) -> None:
    async with running(create_app(traced, engine=FakeEngine())) as client:
        response = await client.get("/models", headers={"traceparent": traceparent})
        assert response.status_code == 200
    span = collector.server_span("GET /models")
    assert span.parent_span_id == b""
    assert any(span.trace_id)


async def test_errors_have_the_code_of_their_problem(
    traced: Settings, collector: Collector
) -> None:
    hasty = traced.model_copy(update={"deadline_s": 0.3})
    async with running(create_app(hasty, engine=SlowEngine())) as client:
        session_id = await new_session(client, [picture()])
        assert_problem(
            await post_segment(client, session_id, [picture()]), 504, "deadline_exceeded"
        )
        assert_problem(await client.get("/sessions/nobody"), 404, "session_not_found")
    late = collector.server_span("POST /segment")
    assert attributes(late.attributes)["error.type"] == "deadline_exceeded"
    assert (late.status.code, late.status.message) == (
        Status.STATUS_CODE_ERROR,
        "deadline_exceeded",
    )
    stages = collector.children(late)
    assert stages["head"].status.code == Status.STATUS_CODE_ERROR
    assert stages["decode"].status.code == Status.STATUS_CODE_UNSET
    start, end = nanoseconds(stages["head"])
    assert end - start > 100_000_000  # it is what took the time

    unknown = collector.server_span("GET /sessions/{session_id}")
    assert attributes(unknown.attributes)["error.type"] == "session_not_found"
    assert unknown.status.code == Status.STATUS_CODE_UNSET  # the client's mistake, not ours


async def test_spans_hold_nothing_of_the_user(traced: Settings, collector: Collector) -> None:
    headers = {"X-Request-ID": MARKER, "User-Agent": MARKER, "tracestate": f"a={MARKER}"}
    async with running(create_app(traced, engine=BrokenEngine(MARKER))) as client:
        session_id = await new_session(client, [picture()], MARKER)
        response = await post_segment(client, session_id, [picture()], classes=MARKER)
        assert_problem(response, 500, "internal_error")
        await client.get(f"/{MARKER}?{MARKER}", headers=headers)
        await client.request("BREW", f"/sessions/{session_id}", headers=headers)
        await client.delete(f"/sessions/{session_id}/classes/{MARKER}", headers=headers)
    assert {span.name for span in collector.spans} >= {"GET", "_OTHER /sessions/{session_id}"}
    sent = b"".join(collector.bodies)
    assert MARKER.encode() not in sent
    assert session_id.encode() not in sent


async def test_resource_is_the_operators(
    traced: Settings, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(create_app(traced, engine=FakeEngine())):
        pass
    assert collector.resource["service.name"] == "fewshot-segmentation"
    assert collector.resource["service.version"] == "0.1.0"
    collector.bodies.clear()
    monkeypatch.setenv("OTEL_SERVICE_NAME", "ward-3")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=staging")
    async with running(create_app(traced, engine=FakeEngine())):
        pass
    assert collector.resource["service.name"] == "ward-3"
    assert collector.resource["deployment.environment.name"] == "staging"


async def test_log_lines_name_the_trace(traced: Settings, caplog: pytest.LogCaptureFixture) -> None:
    caplog.handler.setFormatter(JsonFormatter())
    caplog.set_level(logging.INFO, "service")
    async with running(create_app(traced, engine=FakeEngine())) as client:
        headers = {"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01"}
        await client.get("/models", headers=headers)
    lines = [json.loads(line) for line in caplog.text.splitlines()]
    assert [line["trace_id"] for line in lines if line.get("route") == "/models"] == [TRACE_ID]


@pytest.mark.parametrize("answers", [True, False], ids=["refuses", "hangs"])
async def test_collector_that_is_down_disturbs_no_request(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if not answers:
            listener.listen()  # takes connections and never answers
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
        app = create_app(
            settings.model_copy(update={"otlp_endpoint": endpoint}), engine=FakeEngine()
        )
        async with running(app) as client:
            started = time.perf_counter()
            answered = [(await client.get("/models")).status_code for _ in range(50)]
            assert answered == [200] * 50
            assert time.perf_counter() - started < 5
        assert time.perf_counter() - started < 20


async def test_shutdown_gives_up_on_a_collector_that_is_down(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "_FLUSH_S", 0.2)  # tries would go on for ten seconds
    endpoint = "http://127.0.0.1:1"
    app = create_app(settings.model_copy(update={"otlp_endpoint": endpoint}), engine=FakeEngine())
    async with running(app) as client:
        await client.get("/models")
        started = time.perf_counter()
    assert time.perf_counter() - started < 3


@pytest.mark.parametrize("endpoint", ["collector:4318", "grpc://collector:4317", "http://", ""])
def test_endpoint_must_be_a_url_of_http(endpoint: str) -> None:
    with pytest.raises(ValidationError, match="otlp_endpoint"):
        Settings(otlp_endpoint=endpoint)
