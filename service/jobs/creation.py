"""How a job is made of files that arrived: its key is looked up, its session kept with it."""

import asyncio
import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from service.errors import InvalidRequestError, JobStateError
from service.jobs.archives import unpack_images
from service.jobs.arrivals import Arrival
from service.jobs.folders import Folders, Source
from service.jobs.forms import JobForm
from service.jobs.job import Job
from service.jobs.job_files import SNAPSHOT, sync_folder
from service.jobs.store import JobStore, KeyTakenError
from service.jobs.threads import JobThreads
from service.sessions import Resources, require_classes
from service.stores import IdempotencyToken, encode_session
from service.uninterrupted import result_of
from service.units import MIB

_CHUNK = MIB


class _Contents(NamedTuple):
    """What a job is made of.

    form: without files.
    snapshot: the session, encoded.
    names: of the images in the folder, as 0, 1, ...
    archive: a zip of more images.
    once: makes sure that there is one job of its key.
    """

    form: JobForm
    snapshot: bytes
    names: Sequence[str]
    archive: Path | None
    once: IdempotencyToken | None


class JobCreator:
    """Makes jobs.

    Args:
        store: of the jobs.
        resources: of the use cases.
        folders: on the server, whose images jobs may use.
        threads: that the work is done in.
        max_images: of one job.
        wake: called where a job may have been made.
    """

    def __init__(
        self,
        store: JobStore,
        resources: Resources,
        folders: Folders,
        threads: JobThreads,
        *,
        max_images: int,
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._resources = resources
        self._folders = folders
        self._threads = threads
        self._max_images = max_images
        self._wake = wake

    @property
    def max_images(self) -> int:
        """Maximum number of images of one job."""
        return self._max_images

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
            NotReadyError: the service stops.
            OSError, JobStorageError: the disk or the database fails.
        """
        once = None
        if idempotency_key is not None:
            paths = [arrival.folder / str(number) for number in range(len(names))]
            paths += [] if archive is None else [archive]
            digest = partial(_fingerprint, form, names, paths, self._threads.require_running)
            once = IdempotencyToken(idempotency_key, await self._threads.keep(digest))
        done = await self._find_done(arrival, once)
        if done is None:
            fields, snapshot = await self._with_session(form, arrival.owner)
            contents = _Contents(fields, snapshot, names, archive, once)
            try:
                return await self._make_once(arrival, contents)
            except KeyTakenError as exc:
                # The same request came twice at the same time, and the other was first.
                done = await self._find_done(arrival, once)
                if done is None:
                    raise JobStateError("the job of this key was deleted meanwhile") from exc
        await self._threads.remove(partial(shutil.rmtree, arrival.folder, ignore_errors=True))
        return done

    async def _with_session(self, form: JobForm, owner: str) -> tuple[JobForm, bytes]:
        """The fields of a form, which tell the session, and that session as it is now, encoded."""
        session = await require_classes(self._resources, form, owner)
        fields = {"images": [], "archive": [], "session_id": session.session_id}
        encode = partial(encode_session, session.content)
        return form.model_copy(update=fields), await self._resources.pool.run(encode)

    async def _find_done(self, arrival: Arrival, once: IdempotencyToken | None) -> Job | None:
        if once is None:
            return None
        find = partial(self._store.find_done, arrival.owner, once)
        return await self._threads.query(find)

    async def _make_once(self, arrival: Arrival, contents: _Contents) -> Job:
        making = self._make(arrival, contents)
        try:
            if contents.once is None:
                return await making
            # To its end though its client may leave: the request that comes again finds the job.
            return await result_of(asyncio.create_task(making))
        finally:
            self._wake()

    async def _make(self, arrival: Arrival, contents: _Contents) -> Job:
        """Unpack the archive, list the folder, and record the job.

        Raises:
            KeyTakenError: there is a job of this key.
            ServiceError, OSError: see `create`.
        """
        names, sources = list(contents.names), list[Source]()
        if contents.archive is not None:
            unpack = partial(self._unpack, contents.archive, arrival, len(names))
            names += await self._threads.unpack(arrival.client, unpack)
        if contents.form.folder is not None:
            left = self._max_images - len(names)
            find = partial(self._folders.images, contents.form.folder, max_images=left)
            for name, source in await self._threads.keep(find):
                names.append(name)
                sources.append(source)
        if not names:
            raise InvalidRequestError("no images: give some, or an archive or a folder with some")
        return await self._threads.keep(partial(self._record, arrival, contents, names, sources))

    def _unpack(self, archive: Path, arrival: Arrival, first: int) -> list[str]:
        names = unpack_images(
            archive, arrival.folder, first=first, max_images=self._max_images, take=arrival.take
        )
        archive.unlink()
        return names

    def _record(
        self, arrival: Arrival, contents: _Contents, names: list[str], sources: list[Source]
    ) -> Job:
        folder, owner = arrival.folder, arrival.owner
        arrival.take(len(contents.snapshot))
        (folder / SNAPSHOT).write_bytes(contents.snapshot)
        nbytes = sum(path.stat().st_size for path in folder.iterdir())
        sync_folder(folder, self._threads.require_running)
        text = contents.form.model_dump_json()
        self._store.create(folder.name, owner, text, names, nbytes, sources, contents.once)
        return self._store.get(folder.name, owner)


def _fingerprint(
    form: JobForm, names: Sequence[str], paths: Sequence[Path], go_on: Callable[[], None]
) -> str:
    """A digest of fields, names and files, which does not depend on the multipart boundary.

    Nor on fields that are left out: a service of another release may not know the same ones.

    Args:
        form: whose fields count.
        names: of the images.
        paths: of the files.
        go_on: called before each chunk; may raise.
    """
    fields = form.model_dump_json(exclude={"images", "archive"}, exclude_defaults=True)
    digest = hashlib.sha256(json.dumps([fields, *names]).encode())
    for path in paths:
        content = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                go_on()
                content.update(chunk)
        digest.update(content.digest())
    return digest.hexdigest()
