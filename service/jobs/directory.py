"""The directory of jobs: the operator's, or one of the user's where nothing was said."""

import logging
import os
import sqlite3
from pathlib import Path
from typing import Literal

from service.errors import JobsDisabledError
from service.jobs.store import JobStore, JobsVersionError

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

    A directory that was asked for must work; the default one is a courtesy, without which the
    rest of the service works as well: a second process on the machine, a read-only container.

    Args:
        directory: `auto`: that of `state_directory`; none: jobs are switched off.

    Raises:
        JobsDirectoryError: a directory that was named cannot be used.
    """
    if directory is None:
        return JobsDisabledError("jobs are switched off: FSS_JOBS_DIR is empty")
    try:
        return JobStore(state_directory() if directory == "auto" else directory)
    except (OSError, RuntimeError, sqlite3.Error, JobsVersionError) as exc:
        reason = _reason(exc)
        if directory != "auto":
            raise JobsDirectoryError(f"{directory}: {reason}", busy=_is_busy(exc)) from exc
    _log.warning("there are no jobs: %s; set FSS_JOBS_DIR to another directory", reason)
    return JobsDisabledError(f"{reason}; the operator must set FSS_JOBS_DIR to another directory")


def look_at_jobs(directory: Path | Literal["auto"]) -> Path:
    """The directory in which jobs would be kept, looked at and left as it is.

    Raises:
        JobsDirectoryError: it cannot be used, or another process uses it.
    """
    place: Path | str = directory
    try:
        place = state_directory() if directory == "auto" else directory
        JobStore.look_at(place)
    except (OSError, RuntimeError, sqlite3.Error, JobsVersionError) as exc:
        raise JobsDirectoryError(f"{place}: {_reason(exc)}", busy=_is_busy(exc)) from exc
    return place


def state_directory() -> Path:
    """Where programs of this user keep what outlives them, by the XDG base directories.

    Raises:
        RuntimeError: the user has no home.
    """
    base = Path(os.environ.get("XDG_STATE_HOME", ""))
    # By the specification a relative path is passed over.
    state = base if base.is_absolute() else Path.home() / ".local" / "state"
    return state / "few-shot-segmentation" / "jobs"


def _reason(exc: Exception) -> str:
    """Why the directory cannot be used, for clients too, and so without a path."""
    if _is_busy(exc):
        return "another process works on the jobs of this directory"
    if isinstance(exc, sqlite3.Error):
        return f"the database of jobs cannot be used ({exc})"
    if isinstance(exc, OSError):
        return f"the directory of jobs cannot be made ({exc.strerror})"
    if isinstance(exc, JobsVersionError):
        return str(exc)
    return "the directory of jobs cannot be made (the user has no home)"


def _is_busy(exc: Exception) -> bool:
    if not isinstance(exc, sqlite3.Error):
        return False
    # What Python's own module raises has no code of SQLite's.
    return getattr(exc, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
