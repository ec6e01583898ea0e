"""How a job comes to be: its files arrive, its key is looked up, its session kept with it."""

import asyncio
import hashlib
import json
import os
import secrets
import shutil
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from service.errors import InvalidRequestError, JobStateError
from service.jobs.archives import unpack_images
from service.jobs.folders import Folders
from service.jobs.forms import JobForm
from service.jobs.quota import JobQuota
from service.jobs.runner import SNAPSHOT
from service.jobs.store import Job, JobStore
from service.jobs.threads import JobThreads, result_of
from service.sessions import Resources, require_classes
from service.stores import IdempotencyToken, encode_session


class Arrival(NamedTuple):
    """A job whose files arrive.

    owner: whose it will be.
    folder: for the files.
    take: reserves bytes of the quota, before they are written.
    require: fails where so many bytes would exceed the quota.
    write: runs a call that writes a chunk of a file, in a thread.
    """

    owner: str
    folder: Path
    take: Callable[[int], None]
    require: Callable[[int], None]
    write: Callable[[Callable[[], object]], Awaitable[object]]


class JobCreator:
    """Makes jobs.

    Args:
        store: of the jobs.
        resources: of the use cases.
        folders: on the server, whose images jobs may use.
        quota: bounds the jobs and their bytes.
        threads: that the work is done in.
        max_images: of one job.
        wake: called where a job may have been made.
    """

    def __init__(
        self,
        store: JobStore,
        resources: Resources,
        folders: Folders,
        quota: JobQuota,
        threads: JobThreads,
        *,
        max_images: int,
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._resources = resources
        self._folders = folders
        self._quota = quota
        self._threads = threads
        self._max_images = max_images
        self._wake = wake

    @property
    def max_images(self) -> int:
        """Maximum number of images of one job."""
        return self._max_images

    @asynccontextmanager
    async def arrival(
        self, owner: str, idempotency_key: str | None = None
    ) -> AsyncIterator[Arrival]:
        """A block in which the files of a job arrive; they are removed if it fails.

        Args:
            owner: whose the job will be.
            idempotency_key: of its request; where a job of it is there, one more is no other job.

        Raises:
            LimitExceededError: the owner has as many jobs or bytes as it may.
            JobStorageError: the quota of all owners together is used up.
        """
        async with AsyncExitStack() as stack:
            repeated = idempotency_key is not None and await self._threads.query(
                partial(self._store.knows_key, owner, idempotency_key)
            )
            arrival = self._quota.arrival(owner, repeated=repeated)
            take = await self._threads.query(arrival.__enter__)
            leave = partial(arrival.__exit__, None, None, None)
            stack.push_async_callback(lambda: asyncio.to_thread(leave))
            # Hexadecimal: an id is an argument of commands, so it must not begin with a dash.
            folder = self._store.folder(secrets.token_hex(24))
            try:
                make = partial(folder.mkdir, parents=True, mode=0o700)
                await result_of(self._threads.query(make))  # so that it does not come too late
                require = partial(self._quota.require, owner)
                yield Arrival(owner, folder, take, require, self._threads.write)
            except BaseException:
                await asyncio.to_thread(self._remove_files, folder)
                raise

    def _remove_files(self, folder: Path) -> None:
        """Remove files that arrived, unless a job has them."""
        if not self._store.has(folder.name):
            shutil.rmtree(folder, ignore_errors=True)

    async def create(
        self,
        form: JobForm,
        arrival: Arrival,
        names: Sequence[str],
        archive: Path | None,
        idempotency_key: str | None,
    ) -> Job:
        """Make a job of files that arrived, as 0, 1, ..., of a zip and of a folder.

        Raises:
            LimitExceededError, InvalidRequestError, TooManyFilesError, BodyTooLargeError.
            SessionNotFoundError, ClassNotFoundError, EmptySessionError, ModelMismatchError.
            IdempotencyKeyReusedError, JobStateError: the job of the key was deleted meanwhile.
            OSError, sqlite3.OperationalError: the disk or the database fails.
        """
        once = None
        if idempotency_key is not None:
            files = [arrival.folder / str(number) for number in range(len(names))]
            files += [] if archive is None else [archive]
            read = partial(_fingerprint, form, names, files)
            fingerprint = await result_of(self._threads.unpack_or_remove(read))
            once = IdempotencyToken(idempotency_key, fingerprint)
            find = partial(self._store.find_done, arrival.owner, once)
            if (done := await self._threads.query(find)) is not None:
                await asyncio.to_thread(partial(shutil.rmtree, arrival.folder, ignore_errors=True))
                return done
        session = await require_classes(self._resources, form, arrival.owner)
        snapshot = await self._resources.pool.run(partial(encode_session, session.content))
        fields = form.model_copy(
            update={"images": [], "archive": [], "session_id": session.session_id}
        )
        add = partial(self._add, fields, arrival, list(names), archive, snapshot, once)
        making = self._threads.unpack_or_remove(add)
        try:
            return await (self._created(making) if once is None else result_of(making))
        finally:
            self._wake()  # a job that has a key stands although its request was cancelled

    async def _created(self, making: asyncio.Future[Job]) -> Job:
        """The job that a thread creates; deleted again if the request is cancelled meanwhile.

        The thread cannot be stopped, and nobody would know the job. One that has a key is found by
        the request that comes again.
        """
        try:
            return await result_of(making)
        except asyncio.CancelledError:
            if not making.exception():
                await asyncio.to_thread(self._store.delete, making.result().job_id)
            raise

    def _add(
        self,
        form: JobForm,
        arrival: Arrival,
        names: list[str],
        archive: Path | None,
        snapshot: bytes,
        once: IdempotencyToken | None,
    ) -> Job:
        folder, sources = arrival.folder, []
        if archive is not None:
            first, most = len(names), self._max_images
            names += unpack_images(archive, folder, first=first, max_images=most, take=arrival.take)
            archive.unlink()
        if form.folder is not None:
            left = self._max_images - len(names)
            found = self._folders.images(form.folder, max_images=left)
            names += [name for name, _ in found]
            sources = [source for _, source in found]
        if not names:
            raise InvalidRequestError("no images: give some, or an archive or a folder with some")
        arrival.take(len(snapshot))
        (folder / SNAPSHOT).write_bytes(snapshot)
        nbytes = sum(path.stat().st_size for path in folder.iterdir())
        _sync(folder)
        text = form.model_dump_json()
        try:
            self._store.create(folder.name, arrival.owner, text, names, nbytes, sources, once)
        except sqlite3.IntegrityError as exc:
            # The same request came twice at the same time, and the other was first.
            done = None if once is None else self._store.find_done(arrival.owner, once)
            if done is None:
                raise JobStateError("the job of this key was deleted meanwhile") from exc
            shutil.rmtree(folder, ignore_errors=True)
            return done
        return self._store.get(folder.name, arrival.owner)


def _fingerprint(form: JobForm, names: Sequence[str], files: Sequence[Path]) -> str:
    """A digest of fields, names and files, which does not depend on the multipart boundary."""
    fields = form.model_dump_json(exclude={"images", "archive"})
    digest = hashlib.sha256(json.dumps([fields, *names]).encode())
    for path in files:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _sync(folder: Path) -> None:
    """Put all files on the disk, before the database records the job that has them."""
    for path in (*folder.iterdir(), folder, folder.parent):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
