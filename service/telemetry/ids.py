"""The ids that tie a response to its log lines and to its trace."""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
_trace_id: ContextVar[str | None] = ContextVar("trace_id", default=None)
# A client's id is echoed in a header and in the logs, so it may hold nothing that breaks either.
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def request_id_from(header: str | None) -> str:
    """The client's own id if it is harmless, else a fresh one."""
    if header is not None and _ACCEPTABLE.fullmatch(header):
        return header
    return uuid.uuid4().hex


def current_request_id() -> str | None:
    """The id of the request being served in this context, if any."""
    return _request_id.get()


def current_trace_id() -> str | None:
    """The id of the trace that the request being served belongs to, if it is traced."""
    return _trace_id.get()


@contextmanager
def bind_request_id(request_id: str) -> Iterator[None]:
    """Make an id the current one within the block."""
    token = _request_id.set(request_id)
    try:
        yield
    finally:
        _request_id.reset(token)


@contextmanager
def bind_trace_id(trace_id: str | None) -> Iterator[None]:
    """Make a trace's id, if there is one, the current one within the block."""
    token = _trace_id.set(trace_id)
    try:
        yield
    finally:
        _trace_id.reset(token)
