"""Reads a multipart body whose files go to disk as they arrive: it may be larger than memory."""

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import IO, NamedTuple

from service.api.body.field_kinds import field_kinds
from service.api.body.multipart import BodyLimits, Collector, FormFields, feed
from service.formats import safe_path
from service.jobs import Arrival, JobForm


class SpooledForm(NamedTuple):
    """Texts, with an empty file in `fields` for each that is on disk.

    names: of the images, which lie in the folder as 0, 1, ...
    archive: the zip, if one came.
    """

    fields: FormFields
    names: list[str]
    archive: Path | None


async def spool_form(
    stream: AsyncIterator[bytes], content_type: str, limits: BodyLimits, arrival: Arrival
) -> SpooledForm:
    """Parse a body as it arrives; images and archive go into the folder of the arrival.

    Raises:
        ServiceError: see `read_form`.
    """
    with ExitStack() as closing:
        files = _JobFiles(arrival.folder, closing)
        collector = Collector(field_kinds(JobForm).files, limits.max_files, files.open)
        await feed(collector, stream, content_type, limits.max_bytes, arrival.write)
    fields = FormFields(collector.texts, collector.files)
    return SpooledForm(fields, files.names, next(iter(files.archives), None))


class _JobFiles:
    """The files of a job in its folder, and the names of its images."""

    def __init__(self, folder: Path, closing: ExitStack) -> None:
        self.names: list[str] = []
        self.archives: list[Path] = []
        self._folder = folder
        self._closing = closing

    def open(self, field: str, file_name: str) -> "_FileOnDisk":
        """Make the file of a part; one is complete before the next is opened."""
        forget: Callable[[], object]
        if field == "images":
            path, forget = self._folder / str(len(self.names)), self.names.pop
            self.names.append(safe_path(file_name))
        else:
            path, forget = self._folder / f"archive-{len(self.archives)}.zip", self.archives.pop
            self.archives.append(path)
        return _FileOnDisk(path, self._closing.enter_context(path.open("wb")), forget)


class _FileOnDisk:
    """Writes a file; `forget`: what its maker has of it."""

    def __init__(self, path: Path, file: IO[bytes], forget: Callable[[], object]) -> None:
        self._path = path
        self._file = file
        self._forget = forget

    def write(self, data: bytes) -> None:
        self._file.write(data)

    def finish(self) -> bytes:
        self._file.close()
        return b""

    def discard(self) -> None:
        self._file.close()
        self._path.unlink()
        self._forget()
