"""The directory of jobs: the configured one, or a default in the user's home."""

import logging
import os
from pathlib import Path
from typing import Literal

from service.errors import JobsDisabledError, JobStorageError
from service.jobs.database import UnusableDatabaseError, check_database
from service.jobs.store import JobStore

_log = logging.getLogger("service.jobs")


class JobsDirectoryError(Exception):
    """The directory that the operator named cannot be used; the message says why.

    busy: another process uses it.
    """

    def __init__(self, message: str, *, busy: bool) -> None:
        super().__init__(message)
        self.busy = busy


def open_jobs(directory: Path | Literal["auto"] | None) -> JobStore | JobsDisabledError:
    """The jobs of a directory, or why there are none.

    A configured directory must work. The default one may fail, as for a second process on the
    machine or in a read-only container: the rest of the service works without it.

    Args:
        directory: `auto`: that of `state_directory`; None: jobs are switched off.

    Raises:
        JobsDirectoryError: a directory that was named cannot be used.
    """
    if directory is None:
        return JobsDisabledError("jobs are switched off: FSS_JOBS_DIR is empty")
    try:
        return JobStore(state_directory() if directory == "auto" else directory)
    except (OSError, RuntimeError, UnusableDatabaseError, JobStorageError) as exc:
        reason = _reason(exc)
        if directory != "auto":
            raise JobsDirectoryError(f"{directory}: {reason}", busy=_is_busy(exc)) from exc
    _log.warning("there are no jobs: %s; set FSS_JOBS_DIR to another directory", reason)
    return JobsDisabledError(f"{reason}; the operator must set FSS_JOBS_DIR to another directory")


def check_jobs_directory(directory: Path | Literal["auto"]) -> Path:
    """The directory in which jobs would be kept; it is checked without being changed.

    Raises:
        JobsDirectoryError: it cannot be used, or another process uses it.
    """
    path: Path | str = directory
    try:
        path = state_directory() if directory == "auto" else directory
        check_database(path)
    except (OSError, RuntimeError, UnusableDatabaseError) as exc:
        raise JobsDirectoryError(f"{path}: {_reason(exc)}", busy=_is_busy(exc)) from exc
    return path


def state_directory() -> Path:
    """The default directory, in the user's XDG state directory.

    Raises:
        RuntimeError: the user has no home.
    """
    base = Path(os.environ.get("XDG_STATE_HOME", ""))
    # The specification says to ignore a relative path.
    state = base if base.is_absolute() else Path.home() / ".local" / "state"
    return state / "few-shot-segmentation" / "jobs"


def _reason(exc: Exception) -> str:
    """Why the directory cannot be used, for clients too, and so without a path."""
    if isinstance(exc, OSError):
        return f"the directory of jobs cannot be made ({exc.strerror})"
    if isinstance(exc, RuntimeError):
        return "the directory of jobs cannot be made (the user has no home)"
    return str(exc)


def _is_busy(exc: Exception) -> bool:
    return isinstance(exc, UnusableDatabaseError) and exc.busy
