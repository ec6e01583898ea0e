"""The files of a folder: images, and others."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path, PurePath
from typing import NamedTuple, NoReturn

from service.image_files.errors import UnusableInputError
from service.schemas import is_hidden, is_image


class FolderFiles(NamedTuple):
    """The files of a folder that are not hidden: its images, and the others; both in order."""

    images: list[Path]
    others: list[Path]


def files_of(
    folder: Path, *, recursive: bool = True, without: Collection[Path] = ()
) -> FolderFiles:
    """What a folder holds, hidden files and folders left out.

    Args:
        folder: to look in.
        recursive: look in the folders inside, too.
        without: files, and folders with all that is in them, to leave out.

    Raises:
        UnusableInputError: a folder cannot be read.
    """
    left_out = {path.resolve() for path in without}
    found = FolderFiles([], [])
    for path in sorted(_walk(folder, recursive, left_out)):
        kind = found.images if is_image(path.relative_to(folder)) else found.others
        kind.append(path)
    return found


def _walk(folder: Path, recursive: bool, left_out: set[Path]) -> Iterator[Path]:
    for place, folders, names in os.walk(folder, onerror=_refuse_folder):
        inside = [name for name in folders if recursive and not is_hidden(name)]
        folders[:] = [name for name in inside if Path(place, name).resolve() not in left_out]
        for path in (Path(place, name) for name in names if not is_hidden(name)):
            resolved = path.resolve()
            if path.is_file() and left_out.isdisjoint((resolved, *resolved.parents)):
                yield path


def _refuse_folder(error: OSError) -> NoReturn:
    raise UnusableInputError(f"{error.filename}: {error.strerror}") from error


def shown_name(path: PurePath) -> str:
    """A path with slashes, as text that can be sent and kept: names of files need not be UTF-8."""
    return os.fsencode(path.as_posix()).decode("utf-8", "replace")
