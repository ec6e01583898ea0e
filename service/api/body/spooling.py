"""Reads a multipart body whose files go to disk as they arrive: it may be larger than memory."""

from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, NamedTuple

from service.api.body.multipart import BodyLimits, Collector, FormFields, feed
from service.errors import InvalidFieldsError
from service.formats import safe_path
from service.jobs import Arrival

_ON_DISK = frozenset({"archive", "images"})


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
    with ExitStack() as files:
        collector = _DiskCollector(limits.max_files, arrival.folder, files)
        await feed(collector, stream, content_type, limits.max_bytes, arrival.write)
    archive = arrival.folder / "archive-0.zip" if collector.files.get("archive") else None
    return SpooledForm(FormFields(collector.texts, collector.files), collector.names, archive)


class _DiskCollector(Collector):
    """Writes the parts that are images or an archive, and keeps the names of images."""

    def __init__(self, max_files: int, folder: Path, files: ExitStack) -> None:
        super().__init__(max_files, max_parts=max_files + 300)
        self.names: list[str] = []
        self._folder = folder
        self._open_files = files
        self._target: IO[bytes] | None = None

    def _end_headers(self) -> None:
        super()._end_headers()
        if not self._is_file:
            return
        if self._name not in _ON_DISK:  # it would be kept in memory, and may be as large as a job
            raise InvalidFieldsError([(self._name, "there is no such file field")])
        # Of two archives the second may be an empty field of a form: it is not to touch the first.
        name = f"archive-{len(self.files.get('archive', ()))}.zip"
        if self._name == "images":
            name = str(len(self.names))
            self.names.append(safe_path(self._file_name))
        self._target = self._open_files.enter_context((self._folder / name).open("wb"))

    def _keep(self, data: bytes) -> None:
        if self._target is None:
            super()._keep(data)
        else:
            self._target.write(data)

    def _end_part(self) -> None:
        if self._target is not None:
            self._target.close()
            if self._left_empty:
                self._take_back(Path(self._target.name))
            self._target = None
        super()._end_part()

    def _take_back(self, path: Path) -> None:
        path.unlink()
        if self._name == "images":
            self.names.pop()
