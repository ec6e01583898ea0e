"""Jobs in SQLite, so that they survive a restart; their files are stored beside it."""

import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from service.errors import IdempotencyKeyReusedError, JobNotFoundError
from service.jobs.database import database_errors, open_database
from service.jobs.folders import Source
from service.jobs.job import Job, JobImage
from service.schemas import FINISHED, State
from service.stores import IdempotencyToken


class KeyTakenError(Exception):
    """The owner has a job of this idempotency key."""


class JobStore:
    """The jobs of one directory, which belongs to one process; blocks, so call it in threads.

    Every method that asks the database raises `JobStorageError` where that fails.

    Args:
        directory: made if there is none.
        clock: in seconds since the epoch; of what jobs are stamped with.

    Raises:
        OSError: the directory cannot be made.
        UnusableDatabaseError: another process has it, it cannot be written, holds something else,
            or jobs of a version of the service that this one cannot read.
    """

    def __init__(self, directory: Path, clock: Callable[[], float] = time.time) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory = directory
        self._clock = clock
        self._lock = threading.Lock()
        self._db = open_database(directory)
        with ExitStack() as cleanup:
            cleanup.callback(self._db.close)
            self._drop_orphans()
            cleanup.pop_all()

    def folder(self, job_id: str) -> Path:
        """The folder with the files of a job."""
        return self._directory / "files" / job_id

    def create(
        self,
        job_id: str,
        owner: str,
        form: str,
        names: Sequence[str],
        nbytes: int,
        sources: Sequence[Source] = (),
        once: IdempotencyToken | None = None,
    ) -> None:
        """Add a job, ready to run.

        Args:
            job_id: its id, which names the folder with its files.
            owner: whose it is.
            form: the request for it, as JSON.
            names: of its images.
            nbytes: of its files.
            sources: of its last images, which are not in its folder.
            once: makes sure that there is one job of its key.

        Raises:
            KeyTakenError.
        """
        first = len(names) - len(sources)
        now = self._clock()
        with self._transaction():
            self._db.execute(
                "INSERT INTO jobs VALUES (?, ?, 'queued', ?, ?, ?, ?, 0, ?, 0, 0)",
                (job_id, owner, now, now, nbytes, form, len(names)),
            )
            self._db.executemany(
                "INSERT INTO images (job, number, name) VALUES (?, ?, ?)",
                [(job_id, number, name) for number, name in enumerate(names)],
            )
            self._db.executemany(
                "INSERT INTO sources VALUES (?, ?, ?, ?, ?)",
                [(job_id, number, *source) for number, source in enumerate(sources, start=first)],
            )
            if once is not None:
                self._add_receipt(owner, once, job_id)

    def _add_receipt(self, owner: str, once: IdempotencyToken, job_id: str) -> None:
        values = (owner, once.key, once.fingerprint, job_id)
        try:
            self._db.execute("INSERT INTO receipts VALUES (?, ?, ?, ?)", values)
        except sqlite3.IntegrityError as exc:
            raise KeyTakenError from exc

    def find_done(self, owner: str, once: IdempotencyToken) -> Job | None:
        """The job that a request made when it came first; None if there is none.

        Raises:
            IdempotencyKeyReusedError.
        """
        query = "SELECT fingerprint, job FROM receipts WHERE owner = ? AND key = ?"
        rows = self._query(query, (owner, once.key))
        if not rows:
            return None
        ((fingerprint, job_id),) = rows
        if fingerprint != once.fingerprint:
            raise IdempotencyKeyReusedError
        jobs = self._select("WHERE id = ?", (job_id,))
        return jobs[0] if jobs else None  # deleted in between

    def knows_key(self, owner: str, key: str) -> bool:
        """Whether a job of this owner's key is there."""
        query = "SELECT 1 FROM receipts WHERE owner = ? AND key = ?"
        return bool(self._query(query, (owner, key)))

    def has(self, job_id: str) -> bool:
        """Whether there is such a job, of any owner."""
        return bool(self._query("SELECT 1 FROM jobs WHERE id = ?", (job_id,)))

    def get(self, job_id: str, owner: str) -> Job:
        """A job of an owner.

        Raises:
            JobNotFoundError.
        """
        jobs = self._select("WHERE id = ? AND owner = ?", (job_id, owner))
        if not jobs:
            raise JobNotFoundError
        return jobs[0]

    def of_owner(self, owner: str) -> list[Job]:
        """An owner's jobs, newest first."""
        return self._select("WHERE owner = ?", (owner,))

    def count_of_owner(self, owner: str) -> int:
        """An owner's jobs, in whatever state."""
        return int(self._query("SELECT COUNT(*) FROM jobs WHERE owner = ?", (owner,))[0][0])

    def waiting(self) -> list[Job]:
        """For each owner the oldest queued or interrupted job, the oldest of all first."""
        jobs = self._select("WHERE state IN ('queued', 'running')", ())
        oldest: dict[str, Job] = {}
        for job in reversed(jobs):
            oldest.setdefault(job.owner, job)
        return list(oldest.values())

    def forget_expired(self, ttl_s: float) -> None:
        """Delete finished jobs that have not changed for `ttl_s` seconds."""
        gone = self._query(
            "DELETE FROM jobs WHERE state IN ('done', 'cancelled') AND updated < ? RETURNING id",
            (self._clock() - ttl_s,),
        )
        for (job_id,) in gone:
            self._remove_files(job_id)

    def images(self, job_id: str, state: str, *, limit: int = -1) -> list[JobImage]:
        """The images of a job in a state, in order; the first `limit`, unless it is negative."""
        rows = self._query(
            "SELECT number, name, state, code, detail FROM images WHERE job = ? AND state = ? "
            "ORDER BY number LIMIT ?",
            (job_id, state, limit),
        )
        return [JobImage(*row) for row in rows]

    def source(self, job_id: str, number: int) -> Source | None:
        """The source of an image; None if its file is in the job's folder."""
        rows = self._query(
            "SELECT path, size, modified_ns FROM sources WHERE job = ? AND number = ?",
            (job_id, number),
        )
        return Source(*rows[0]) if rows else None

    def count(self, state: str) -> int:
        """Jobs in a state."""
        return int(self._query("SELECT COUNT(*) FROM jobs WHERE state = ?", (state,))[0][0])

    def nbytes(self) -> int:
        """Bytes of the images of all jobs."""
        return int(self._query("SELECT COALESCE(SUM(bytes), 0) FROM jobs", ())[0][0])

    def nbytes_of_owner(self, owner: str) -> int:
        """Bytes of the images of an owner's jobs."""
        query = "SELECT COALESCE(SUM(bytes), 0) FROM jobs WHERE owner = ?"
        return int(self._query(query, (owner,))[0][0])

    def finish_image(
        self, job_id: str, number: int, seconds: float, failure: tuple[str, str] | None
    ) -> bool:
        """Record that a pending image has its result, or why it has none; returns whether it was.

        It was not if its job was deleted.
        """
        state = "failed" if failure else "done"
        code, detail = failure or (None, None)
        with self._transaction():
            cursor = self._db.execute(
                "UPDATE images SET state = ?, code = ?, detail = ? "
                "WHERE job = ? AND number = ? AND state = 'pending'",
                (state, code, detail, job_id, number),
            )
            self._db.execute(
                f"UPDATE jobs SET seconds = seconds + ?, updated = ?, {state} = {state} + ? "  # noqa: S608
                "WHERE id = ?",
                (seconds, self._clock(), cursor.rowcount, job_id),
            )
            return cursor.rowcount == 1

    def move(self, job_id: str, state: State, *, among: Sequence[State]) -> bool:
        """Set the state of a job that is in one of `among`; returns whether it was."""
        marks = ", ".join("?" * len(among))
        with self._transaction():
            cursor = self._db.execute(
                f"UPDATE jobs SET state = ?, updated = ? WHERE id = ? AND state IN ({marks})",  # noqa: S608
                (state, self._clock(), job_id, *among),
            )
            return cursor.rowcount == 1

    def resume(self, job_id: str) -> bool:
        """Queue a job that has ended, its failed images too; returns whether it had ended.

        The time that failed images took no longer counts.
        """
        marks = ", ".join("?" * len(FINISHED))
        with self._transaction():
            cursor = self._db.execute(
                "UPDATE jobs SET state = 'queued', updated = ?, "  # noqa: S608
                "seconds = seconds * done / MAX(1, done + failed), failed = 0 "
                f"WHERE id = ? AND state IN ({marks})",
                (self._clock(), job_id, *FINISHED),
            )
            if cursor.rowcount != 1:
                return False
            self._db.execute(
                "UPDATE images SET state = 'pending', code = NULL, detail = NULL "
                "WHERE job = ? AND state = 'failed'",
                (job_id,),
            )
            return True

    def delete(self, job_id: str) -> None:
        """Forget a job and its files."""
        self._query("DELETE FROM jobs WHERE id = ?", (job_id,))
        self._remove_files(job_id)

    def close(self) -> None:
        """Close the database, and with it unlock the directory."""
        with self._lock:
            self._db.close()

    def _remove_files(self, job_id: str) -> None:
        # Out of the way first: a result that is being written would appear in it again.
        removed = self.folder(job_id).with_suffix(".removed")
        with suppress(OSError):
            self.folder(job_id).rename(removed)
            shutil.rmtree(removed, ignore_errors=True)

    def _drop_orphans(self) -> None:
        """Remove the files of uploads and removals that a crash interrupted."""
        known = {str(row[0]) for row in self._query("SELECT id FROM jobs", ())}
        for folder in (self._directory / "files").glob("*"):
            if folder.name not in known:
                shutil.rmtree(folder, ignore_errors=True)

    def _select(self, where: str, values: Sequence[object]) -> list[Job]:
        rows = self._query(
            "SELECT id, owner, state, created, form, seconds, total, done, failed FROM jobs "  # noqa: S608
            f"{where} ORDER BY created DESC",
            values,
        )
        return [Job(*row) for row in rows]

    def _query(self, statement: str, values: Sequence[object]) -> list[Any]:
        with database_errors(), self._lock:
            return self._db.execute(statement, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """A block whose statements take effect together, or not at all where it fails."""
        with database_errors(), self._lock, self._db:
            self._db.execute("BEGIN")
            yield
