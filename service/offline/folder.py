"""The images of a folder."""

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from service.image_files import UnusableInputError, files_of, is_broken_link, shown_name
from service.offline.errors import OfflineError
from service.schemas import IMAGE_KINDS


class ImageFile(NamedTuple):
    """An image and what tells that it has changed; `name` is relative, with slashes."""

    name: str
    path: Path
    size: int
    mtime_ns: int


class FoundImages(NamedTuple):
    """The images of a folder in the order of their names, and what is passed over in it.

    others: files that are no images.
    linked: links to folders, which are not followed.
    """

    images: list[ImageFile]
    others: list[Path]
    linked: list[Path]


def find_images(
    folder: Path, *, recursive: bool = False, without: Collection[Path] = ()
) -> FoundImages:
    """The images of a folder, hidden ones left out; a link to nothing is one that cannot be read.

    Args:
        folder: to look in.
        recursive: look in the folders inside, too.
        without: files, and folders with all that is in them, that are no images to label.

    Raises:
        OfflineError: it is no folder, holds no image, or two that would have one name, or a folder
            in it cannot be read.
    """
    if not folder.is_dir():
        raise OfflineError(f"{folder} is no folder")
    found: dict[str, ImageFile] = {}
    try:
        paths, others, linked = files_of(folder, recursive=recursive, without=without)
    except UnusableInputError as exc:
        raise OfflineError(str(exc)) from exc
    for path in paths:
        name = shown_name(path.relative_to(folder))
        stat = path.lstat() if is_broken_link(path) else path.stat()
        if name in found:  # of bytes that are no text
            raise OfflineError(f"two images of {folder} are called {name}; rename one")
        found[name] = ImageFile(name, path, stat.st_size, stat.st_mtime_ns)
    if not found:
        hint = "" if recursive else "; --recursive looks in the folders inside, too"
        raise OfflineError(f"{folder} holds no image to label ({IMAGE_KINDS}){hint}")
    return FoundImages(sorted(found.values()), others, linked)
