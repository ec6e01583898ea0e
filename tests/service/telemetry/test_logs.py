"""Log lines are JSON objects that carry the request id and the extra fields."""

import json
import logging
import subprocess
import sys

from service.telemetry import bind_request_id, bind_trace_id
from service.telemetry.logs import JsonFormatter


def line(**fields: object) -> dict[str, object]:
    record = logging.makeLogRecord({"name": "service", "levelname": "INFO", "msg": "hello"})
    vars(record).update(fields)
    parsed: dict[str, object] = json.loads(JsonFormatter().format(record))
    return parsed


def test_fields() -> None:
    entry = line(status=200, color_message="\x1b[1mhello")
    assert (entry["event"], entry["level"], entry["status"]) == ("hello", "info", 200)
    assert "request_id" not in entry
    assert "color_message" not in entry


def test_request_id_of_the_context() -> None:
    with bind_request_id("abc"):
        assert line()["request_id"] == "abc"
    assert "request_id" not in line()


def test_trace_id_of_the_context() -> None:
    with bind_trace_id("0af7"):
        assert line()["trace_id"] == "0af7"
    with bind_trace_id(None):
        assert "trace_id" not in line()


def test_exception_stays_on_one_line() -> None:
    try:
        raise ValueError("broken\nvalue")
    except ValueError:
        formatted = JsonFormatter().format(
            logging.makeLogRecord({"msg": "failed", "exc_info": sys.exc_info()})
        )
    assert "\n" not in formatted
    assert "ValueError" in json.loads(formatted)["exception"]


ASKING = """
import httpx
from service.telemetry import configure_logging
configure_logging("debug")
answers = httpx.MockTransport(lambda request: httpx.Response(200))
httpx.Client(transport=answers).get("http://studio/data/patient.jpg?signature=abc")
import logging
logging.getLogger("service").info("asked")
"""


def test_what_is_fetched_from_elsewhere_is_not_told() -> None:
    run = subprocess.run(
        [sys.executable, "-c", ASKING], capture_output=True, text=True, check=True, timeout=60
    )
    assert "asked" in run.stderr
    assert "patient" not in run.stderr
    assert "signature" not in run.stderr
