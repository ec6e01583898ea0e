"""What becomes of a disk or database that fails: requests are told, and the log says why."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from service.errors import JobStorageError
from service.jobs.log_reason import log_reason

_log = logging.getLogger("service.jobs")


def storage_error(exc: Exception) -> JobStorageError:
    """The error that requests get in place of `exc`, which is logged: the operator must act."""
    _log.error("jobs cannot be read or written", extra={"reason": log_reason(exc)})
    return JobStorageError("the service cannot read or write what it keeps of jobs")


@contextmanager
def disk_errors() -> Iterator[None]:
    """Raise `JobStorageError` where the disk fails."""
    try:
        yield
    except OSError as exc:
        raise storage_error(exc) from exc
