"""The images of a folder."""

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from service.client.files import IMAGE_SUFFIXES, shown_name
from service.offline.errors import OfflineError


class ImageFile(NamedTuple):
    """An image and what tells that it has changed; `name` is relative, with slashes."""

    name: str
    path: Path
    size: int
    mtime_ns: int


def find_images(
    folder: Path, *, recursive: bool = False, without: Collection[Path] = ()
) -> list[ImageFile]:
    """The images of a folder in the order of their names, hidden ones left out.

    Args:
        folder: to look in.
        recursive: look in the folders inside, too.
        without: files, and folders with all that is in them, that are no images to label.

    Raises:
        OfflineError: it is no folder, or holds no image.
    """
    if not folder.is_dir():
        raise OfflineError(f"{folder} is no folder")
    left_out = {path.resolve() for path in without}
    found = []
    for path in folder.rglob("*") if recursive else folder.iterdir():
        inside = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in inside.parts)
        if hidden or path.suffix.lower() not in IMAGE_SUFFIXES or not path.is_file():
            continue
        resolved = path.resolve()
        if left_out.isdisjoint((resolved, *resolved.parents)):
            stat = path.stat()
            found.append(ImageFile(shown_name(inside), path, stat.st_size, stat.st_mtime_ns))
    if not found:
        hint = "" if recursive else "; --recursive looks in the folders inside, too"
        raise OfflineError(f"{folder} holds no image to label{hint}")
    return sorted(found)
