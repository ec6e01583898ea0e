"""Folders of the server's own disk, of which jobs may read what the operator allowed."""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple, NoReturn

from service.errors import (
    BodyTooLargeError,
    ImageChangedError,
    ImageMissingError,
    InvalidRequestError,
    TooManyFilesError,
)
from service.formats import safe_path
from service.jobs.entries import MAX_ENTRIES_PER_IMAGE
from service.schemas import is_hidden, is_image

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without waiting, should it be a pipe.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# Errors about the file that a path names; with any other the disk or the process has a problem.
_NOT_THERE = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENXIO}
)


class Source(NamedTuple):
    """An image that stays where it is, as it was when the job was made.

    path: absolute, in the bytes of the file system: names need not be UTF-8.
    """

    path: bytes
    size: int
    modified_ns: int


class Folders:
    """What lies below the roots that the operator allowed.

    From a root downwards every part is opened in the one before and must be no link, so that no
    link and no swap of a folder for one leads out, whenever it is made.

    Args:
        roots: absolute; may be links themselves.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = roots

    def images(self, folder: str, *, max_images: int) -> list[tuple[str, Source]]:
        """The images of a folder and those in it, in order, named as they lie in it.

        Links and hidden files are passed over.

        Raises:
            InvalidRequestError: it is no folder below a root; whether there is one elsewhere is
                not told. One in it cannot be read. TooManyFilesError.
        """
        if not self._roots:
            raise InvalidRequestError("the operator allowed no folders").at("folder")
        try:
            path = Path(folder).resolve(strict=True)
            with self._opened(path, _FOLDER) as descriptor:
                found = list(_images(path, descriptor, max_images))
        except (OSError, ValueError, RuntimeError) as exc:
            message = "not a readable folder below one that the operator allowed"
            raise InvalidRequestError(message).at("folder") from exc
        return sorted(found)

    def read(self, source: Source, *, max_bytes: int) -> bytes:
        """An image, if it is still what it was.

        Raises:
            ImageMissingError, ImageChangedError, BodyTooLargeError.
            OSError: the machine cannot read it for now.
        """
        if source.size > max_bytes:
            raise BodyTooLargeError(f"the file exceeds {max_bytes} bytes")
        try:
            with self._opened(Path(os.fsdecode(source.path)), _FILE) as descriptor:
                found = os.fstat(descriptor)
                if (found.st_size, found.st_mtime_ns) != source[1:]:
                    raise ImageChangedError
                with os.fdopen(descriptor, "rb", closefd=False) as file:
                    return file.read(source.size)
        except OSError as exc:
            if exc.errno not in _NOT_THERE:
                raise
            raise ImageMissingError from exc

    @contextmanager
    def _opened(self, path: Path, flags: int) -> Iterator[int]:
        """A descriptor of a file or folder.

        Raises:
            OSError: not there, not below a root, or a link is on the way.
        """
        root, parts = self._below_root(path)
        with ExitStack() as opened:
            descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            opened.callback(os.close, descriptor)
            for number, part in enumerate(parts, start=1):
                wanted = flags if number == len(parts) else _FOLDER
                descriptor = os.open(part, wanted, dir_fd=descriptor)
                opened.callback(os.close, descriptor)
            yield descriptor

    def _below_root(self, path: Path) -> tuple[Path, tuple[str, ...]]:
        for root in (each.resolve() for each in self._roots):
            if path.is_relative_to(root):
                return root, path.relative_to(root).parts
        raise PermissionError(errno.EACCES, "not below a root")


def _images(path: Path, descriptor: int, max_images: int) -> Iterator[tuple[str, Source]]:
    entries, images = 0, 0
    for place, folders, files, inside in os.fwalk(".", dir_fd=descriptor, onerror=_raise):
        folders[:] = [name for name in folders if _is_folder(name, inside)]
        entries += len(folders) + len(files)
        for folder in folders:
            _require_readable(PurePosixPath(place, folder), inside)
        if entries > MAX_ENTRIES_PER_IMAGE * max_images:
            raise TooManyFilesError("the folder has too many entries").at("folder")
        for file in files:
            below = PurePosixPath(place, file)
            if not is_image(below):
                continue
            found = os.stat(file, dir_fd=inside, follow_symlinks=False)
            if stat.S_ISREG(found.st_mode):
                images += 1
                if images > max_images:
                    raise TooManyFilesError(f"more than {max_images} images").at("folder")
                whole = os.fsencode(path / below)
                yield _name(below), Source(whole, found.st_size, found.st_mtime_ns)


def _raise(error: OSError) -> NoReturn:
    raise error


def _is_folder(name: str, inside: int) -> bool:
    """Whether a name is a folder, and neither hidden nor a link nor the file system's own."""
    if is_hidden(name):
        return False
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=inside, follow_symlinks=False).st_mode)
    except FileNotFoundError:  # removed since it was listed
        return False


def _require_readable(below: PurePosixPath, inside: int) -> None:
    try:
        os.close(os.open(below.name, _FOLDER, dir_fd=inside))
    except OSError as exc:
        message = f"the folder {_name(below)} cannot be read"
        raise InvalidRequestError(message).at("folder") from exc


def _name(path: PurePosixPath) -> str:
    return safe_path(os.fsencode(path).decode("utf-8", "replace"))
