"""The database of a jobs directory: its tables and their version."""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from service.jobs.storage_errors import storage_error

_FILE = "jobs.sqlite3"
_VERSION = 2
# 0: a new file, or one from before versions were recorded, whose tables are those of version 1.
_SUPPORTED = (0, 1, _VERSION)
# `total`, `done` and `failed` count a job's images: counting rows would take longer with each.
_SCHEMA = f"""
BEGIN;
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, state TEXT NOT NULL, created REAL NOT NULL,
    updated REAL NOT NULL, bytes INTEGER NOT NULL, form TEXT NOT NULL, seconds REAL NOT NULL,
    total INTEGER NOT NULL, done INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS images (
    job TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE, number INTEGER NOT NULL,
    name TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'pending', code TEXT, detail TEXT,
    PRIMARY KEY (job, number)
);
CREATE INDEX IF NOT EXISTS images_by_state ON images (job, state, number);
CREATE TABLE IF NOT EXISTS sources (
    job TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE, number INTEGER NOT NULL,
    path BLOB NOT NULL, size INTEGER NOT NULL, modified_ns INTEGER NOT NULL,
    PRIMARY KEY (job, number)
);
CREATE TABLE IF NOT EXISTS receipts (
    owner TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL,
    job TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE, PRIMARY KEY (owner, key)
);
PRAGMA user_version = {_VERSION};
COMMIT;
"""
_FROM_VERSION_1 = """
BEGIN;
ALTER TABLE jobs ADD COLUMN total INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN done INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN failed INTEGER NOT NULL DEFAULT 0;
UPDATE jobs SET (total, done, failed) = (
    SELECT COUNT(*), TOTAL(state = 'done'), TOTAL(state = 'failed') FROM images WHERE job = jobs.id
);
PRAGMA user_version = 2;
COMMIT;
"""


class UnusableDatabaseError(Exception):
    """The database cannot be opened; the message says why, for clients too, without its path.

    busy: another process has it.
    """

    def __init__(self, message: str, *, busy: bool = False) -> None:
        super().__init__(message)
        self.busy = busy


def open_database(directory: Path) -> sqlite3.Connection:
    """The database of a directory, locked for this process; its tables are made or brought up.

    Raises:
        UnusableDatabaseError: another process has it, it cannot be written, is no database, or
            its tables are those of another version of the service.
    """
    with _translate_opening(), ExitStack() as cleanup:
        db = sqlite3.connect(
            directory / _FILE, check_same_thread=False, isolation_level=None, timeout=1
        )
        cleanup.callback(db.close)
        db.execute("PRAGMA locking_mode=EXCLUSIVE")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA foreign_keys=ON")
        version = _require_version(db)
        if version < _VERSION and _has_jobs(db):
            db.executescript(_FROM_VERSION_1)
        db.executescript(_SCHEMA)
        cleanup.pop_all()
        return db


def check_database(directory: Path) -> None:
    """Fail where a `JobStore` of this directory would, and change nothing in it.

    Raises:
        OSError: the directory cannot be made or written.
        UnusableDatabaseError: see `open_database`.
    """
    file = directory / _FILE
    if not file.exists():
        nearest = next(each for each in (directory, *directory.parents) if each.exists())
        if not nearest.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return
    address = f"{file.resolve().as_uri()}?mode=ro"
    with _translate_opening(), closing(sqlite3.connect(address, uri=True, timeout=0.1)) as db:
        _require_version(db)
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()


@contextmanager
def database_errors() -> Iterator[None]:
    """Raise `JobStorageError` where an open database fails; mistakes in its use stay as they are.

    Raises:
        JobStorageError.
    """
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
        raise
    except sqlite3.DatabaseError as exc:
        raise storage_error(exc) from exc


@contextmanager
def _translate_opening() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as exc:
        # Errors that Python's own module raises have no SQLite code.
        if getattr(exc, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
            message = "another process works on the jobs of this directory"
            raise UnusableDatabaseError(message, busy=True) from exc
        raise UnusableDatabaseError(f"the database of jobs cannot be used ({exc})") from exc


def _has_jobs(db: sqlite3.Connection) -> bool:
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'jobs'"
    return db.execute(query).fetchone() is not None


def _require_version(db: sqlite3.Connection) -> int:
    """The version of the tables; 0 as in `_SUPPORTED`.

    Raises:
        UnusableDatabaseError: another version of the service made them.
    """
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version not in _SUPPORTED:
        raise UnusableDatabaseError(
            "the jobs of this directory were written by another version of the service "
            f"(tables of version {version}, not {_VERSION})"
        )
    return int(version)
