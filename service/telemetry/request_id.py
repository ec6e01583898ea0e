"""The id that ties a response to its log lines."""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_current: ContextVar[str | None] = ContextVar("request_id", default=None)
# A client's id is echoed in a header and in the logs, so it may hold nothing that breaks either.
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def request_id_from(header: str | None) -> str:
    """The client's own id if it is harmless, else a fresh one."""
    if header is not None and _ACCEPTABLE.fullmatch(header):
        return header
    return uuid.uuid4().hex


def current_request_id() -> str | None:
    """The id of the request being served in this context, if any."""
    return _current.get()


@contextmanager
def bind_request_id(request_id: str) -> Iterator[None]:
    """Make an id the current one within the block."""
    token = _current.set(request_id)
    try:
        yield
    finally:
        _current.reset(token)
