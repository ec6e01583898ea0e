"""One JSON object a line on standard error.

Callers log events and figures only: no user data, no class names, no session ids.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from service.telemetry.ids import current_request_id, current_trace_id

# What every LogRecord carries; anything else came in through `extra=`.
# `color_message` is uvicorn's: its message again, with terminal escapes.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {
    "asctime",
    "color_message",
    "message",
    "taskName",
}

# Made once: `json.dumps` makes one for every call that says how to write unknown types.
_ENCODER = json.JSONEncoder(default=str)


class JsonFormatter(logging.Formatter):
    """Time, level, logger, event, ids of request and trace, and the fields given as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        if (request_id := current_request_id()) is not None:
            entry["request_id"] = request_id
        if (trace_id := current_trace_id()) is not None:
            entry["trace_id"] = trace_id
        entry.update((k, v) for k, v in vars(record).items() if k not in _STANDARD)
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return _ENCODER.encode(entry)


def configure_logging(level: str) -> None:
    """Send every logger of the process through the JSON formatter; called by the entry point."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(True)  # they too become one line
    # Its access lines hold raw paths, and with them session ids; the service writes its own.
    logging.getLogger("uvicorn.access").disabled = True
    # They tell of every request to Label Studio: names of images, and what signs their addresses.
    for client in ("httpx", "httpcore"):
        logging.getLogger(client).setLevel(logging.WARNING)
    # Quotes events of jobs whole, and with them names of files.
    logging.getLogger("sse_starlette").setLevel(logging.INFO)
    # Quotes bytes of malformed bodies; the client is told, and nobody else needs them.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
