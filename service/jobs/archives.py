"""Images out of an uploaded zip file, which may be anything."""

import zipfile
import zlib
from collections.abc import Callable
from io import BufferedReader, FileIO
from pathlib import Path, PurePosixPath

from service.errors import BodyTooLargeError, InvalidRequestError, TooManyFilesError
from service.formats import safe_path
from service.jobs.entries import MAX_ENTRIES_PER_IMAGE
from service.schemas import is_image
from service.units import MIB

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_CHUNK = MIB
# Images are compressed already. Bitmaps of flat colours are not, so small ones may grow more.
_MAX_RATIO = 100
_ANY_RATIO_BYTES = 16 * MIB
# Of the directory of a zip, on average; a name and 46 bytes and more beside it.
_MAX_ENTRY_BYTES = 128


def unpack_images(
    archive: Path, folder: Path, *, first: int, max_images: int, take: Callable[[int], None]
) -> list[str]:
    """Write a zip's images as files named by number from `first`, and return their names.

    Names are never used as paths. Sizes are counted as bytes come out, whatever the zip says;
    other files, archives in it too, are passed over.

    Args:
        archive: the zip.
        folder: where images go.
        first: the number of the first.
        max_images: with those before `first`.
        take: asked for room before bytes are written.

    Raises:
        InvalidRequestError: not a zip, or broken. TooManyFilesError, BodyTooLargeError.
        ServiceError: of `take`.
    """
    may_come = max(_ANY_RATIO_BYTES, _MAX_RATIO * archive.stat().st_size)
    max_entries = MAX_ENTRIES_PER_IMAGE * max_images
    try:
        with _Bounded(archive, max_entries) as file, zipfile.ZipFile(file) as source:
            entries = source.infolist()
            if len(entries) > max_entries:
                raise _too_many_entries()
            wanted = [entry for entry in entries if _is_image(entry)]
            if any(entry.compress_type not in _METHODS for entry in wanted):
                raise InvalidRequestError("the zip is to be stored or deflated").at("archive")
            if first + len(wanted) > max_images:
                raise TooManyFilesError(f"more than {max_images} images").at("archive")
            for number, entry in enumerate(wanted, start=first):
                may_come -= _unpack(source, entry, folder / str(number), may_come, take)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        ValueError,
    ) as exc:
        raise InvalidRequestError("not a zip file that can be read").at("archive") from exc
    return [safe_path(entry.filename) for entry in wanted]


class _Bounded(BufferedReader):
    """A zip; its directory, which `zipfile` would read as large as it claims to be, is bounded."""

    def __init__(self, path: Path, max_entries: int) -> None:
        super().__init__(FileIO(path))
        # Images are read in chunks.
        self._max_bytes = max(2 * _CHUNK, _MAX_ENTRY_BYTES * max_entries)

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > self._max_bytes:
            raise _too_many_entries()
        return super().read(size)

    def seek(self, target: int, whence: int = 0, /) -> int:
        try:
            return super().seek(target, whence)
        except OSError as exc:
            raise _OutsideError("an offset outside of the file") from exc


class _OutsideError(zipfile.BadZipFile, OSError):
    """No failing disk. `zipfile`, which looks for what a small file lacks, expects an OSError."""


def _too_many_entries() -> TooManyFilesError:
    return TooManyFilesError("the zip has too many entries").at("archive")


def _is_image(entry: zipfile.ZipInfo) -> bool:
    # `..` is no hidden folder; nothing is written where names say.
    parts = (part for part in PurePosixPath(entry.filename).parts if part != "..")
    return not entry.is_dir() and is_image(PurePosixPath(*parts))


def _unpack(
    source: zipfile.ZipFile,
    entry: zipfile.ZipInfo,
    target: Path,
    may_come: int,
    take: Callable[[int], None],
) -> int:
    size = 0
    with source.open(entry) as packed, target.open("wb") as file:
        while chunk := packed.read(_CHUNK):
            size += len(chunk)
            if size > may_come:
                message = f"the zip grows to more than {_MAX_RATIO} times its size"
                raise BodyTooLargeError(message).at("archive")
            take(len(chunk))
            file.write(chunk)
    return size
