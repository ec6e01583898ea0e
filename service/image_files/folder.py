"""The files of a folder: images, and others."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path, PurePath
from typing import NamedTuple, NoReturn

from service.image_files.errors import UnusableInputError
from service.schemas import is_hidden, is_image


class FolderFiles(NamedTuple):
    """What is in a folder and not hidden; each in order.

    images: links to nothing, too, if they are named like images: they are missed if left out.
    others: other files.
    linked: links to folders that would have been looked in, had they been no links.
    """

    images: list[Path]
    others: list[Path]
    linked: list[Path]


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
    found = FolderFiles([], [], [])
    for path in sorted(_walk(folder, recursive, left_out)):
        if path.is_dir():
            found.linked.append(path)
        elif is_image(path.relative_to(folder)):
            found.images.append(path)
        elif path.is_file():
            found.others.append(path)
    return found


def is_broken_link(path: Path) -> bool:
    """Whether it is a link to nothing, such as a file that DVC or git-annex has not fetched."""
    return path.is_symlink() and not path.exists()


def read_failure(path: Path, error: OSError) -> str:
    """Why a file cannot be read."""
    if is_broken_link(path):  # which looks as if it were there
        return "it is a link to a file that is not there"
    return error.strerror or "cannot be read"


def _walk(folder: Path, recursive: bool, left_out: set[Path]) -> Iterator[Path]:
    """Files, links to nothing, and links to folders, which are not followed: they may go round."""
    for place, folders, names in os.walk(folder, onerror=_refuse_folder):
        inside = [name for name in folders if recursive and not is_hidden(name)]
        folders[:] = [name for name in inside if Path(place, name).resolve() not in left_out]
        yield from (path for name in folders if (path := Path(place, name)).is_symlink())
        for path in (Path(place, name) for name in names if not is_hidden(name)):
            if is_broken_link(path) or (path.is_file() and _is_outside(path.resolve(), left_out)):
                yield path


def _is_outside(path: Path, left_out: set[Path]) -> bool:
    return left_out.isdisjoint((path, *path.parents))


def _refuse_folder(error: OSError) -> NoReturn:
    raise UnusableInputError(f"{error.filename}: {error.strerror}") from error


def shown_name(path: PurePath) -> str:
    """A path with slashes, as text that can be sent and kept: names of files need not be UTF-8."""
    return os.fsencode(path.as_posix()).decode("utf-8", "replace")
