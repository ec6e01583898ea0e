"""The database of a jobs directory: its tables and their version."""

import errno
import os
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path

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


class JobsVersionError(Exception):
    """The tables are those of another version of the service; the message says so."""


def open_database(directory: Path) -> sqlite3.Connection:
    """The database of a directory, locked for this process; its tables are made or brought up.

    Raises:
        sqlite3.Error: another process has it, it cannot be written, or is no database.
        JobsVersionError: its tables are those of another version of the service.
    """
    db = sqlite3.connect(
        directory / _FILE, check_same_thread=False, isolation_level=None, timeout=1
    )
    with ExitStack() as cleanup:
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
        sqlite3.Error, JobsVersionError: see `open_database`.
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
    with closing(sqlite3.connect(address, uri=True, timeout=0.1)) as db:
        _require_version(db)
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()


def _has_jobs(db: sqlite3.Connection) -> bool:
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'jobs'"
    return db.execute(query).fetchone() is not None


def _require_version(db: sqlite3.Connection) -> int:
    """The version of the tables; 0 as in `_SUPPORTED`.

    Raises:
        JobsVersionError.
    """
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version not in _SUPPORTED:
        raise JobsVersionError(
            "the jobs of this directory were written by another version of the service "
            f"(tables of version {version}, not {_VERSION})"
        )
    return int(version)
