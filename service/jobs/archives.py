"""Images out of an uploaded zip file, which may be anything."""

import zipfile
import zlib
from pathlib import Path, PurePosixPath

from service.errors import BodyTooLargeError, InvalidRequestError, TooManyFilesError
from service.formats import safe_path

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
_CHUNK = 1024 * 1024
_MAX_ENTRIES_PER_IMAGE = 10


def unpack_images(
    archive: Path, folder: Path, *, first: int, max_images: int, max_bytes: int
) -> list[str]:
    """Write a zip's images as files named by number from `first`, and return their names.

    Names are never used as paths. Sizes are counted as bytes come out, whatever the zip says;
    other files, archives in it too, are passed over.

    Raises:
        InvalidRequestError: not a zip, or broken. TooManyFilesError, BodyTooLargeError.
    """
    try:
        with zipfile.ZipFile(archive) as source:
            entries = source.infolist()
            if len(entries) > _MAX_ENTRIES_PER_IMAGE * max_images:
                raise TooManyFilesError("the zip has too many entries").at("archive")
            wanted = [entry for entry in entries if _is_image(entry)]
            if first + len(wanted) > max_images:
                raise TooManyFilesError(f"more than {max_images} images").at("archive")
            for number, entry in enumerate(wanted, start=first):
                max_bytes -= _unpack(source, entry, folder / str(number), max_bytes)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as exc:
        raise InvalidRequestError("not a zip file that can be read").at("archive") from exc
    return [safe_path(entry.filename) for entry in wanted]


def _is_image(entry: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(entry.filename)
    hidden = path.name.startswith(".") or "__MACOSX" in path.parts
    return not entry.is_dir() and not hidden and path.suffix.lower() in _SUFFIXES


def _unpack(source: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, room: int) -> int:
    size = 0
    with source.open(entry) as packed, target.open("wb") as file:
        while chunk := packed.read(_CHUNK):
            size += len(chunk)
            if size > room:
                raise BodyTooLargeError("the zip's images are too large").at("archive")
            file.write(chunk)
    return size
