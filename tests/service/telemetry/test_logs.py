"""Log lines are JSON objects that carry the request id and the extra fields."""

import json
import logging
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
