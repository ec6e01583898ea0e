"""Images of a job as one zip file, in a temporary file: a data set need not fit in memory."""

import os
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TypeAlias

from service.client.batches import several
from service.client.errors import InvalidInputError
from service.image_files import ImageLike, UnusableInputError, files_of, image_file, shown_name
from service.schemas import IMAGE_KINDS, IMAGE_SUFFIXES

JobImages: TypeAlias = str | os.PathLike[str] | Iterable[ImageLike]
"""A folder, a zip file, or images in any form."""


def pack(images: JobImages) -> IO[bytes]:
    """An open zip of the images, to be closed; results carry the names that they have in it.

    A folder gives all images in it and in the folders inside, by their paths there, but for hidden
    ones.

    Raises:
        InvalidInputError: there is none, one cannot be read, two would have one name, or it is a
            single image.
    """
    try:
        if isinstance(images, str | os.PathLike):
            path = Path(images)
            return path.open("rb") if path.is_file() else _zipped(_of_folder(path))
        return _zipped(_named(several(images)))
    except UnusableInputError as exc:
        raise InvalidInputError(str(exc)) from exc


def _zipped(images: Iterable[tuple[str, ImageLike]]) -> IO[bytes]:
    target = tempfile.TemporaryFile()  # noqa: SIM115 - closed behind the request
    try:
        # Stored: images are compressed already.
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
            for name, image in images:
                archive.writestr(name, _file(image))
            if not archive.namelist():
                raise InvalidInputError(f"there is no image to segment ({IMAGE_KINDS})")
    except BaseException:
        target.close()
        raise
    target.seek(0)
    return target


def _file(image: ImageLike) -> bytes:
    """An image's file; also one without a byte, which the job lists, and goes on."""
    try:
        return image_file(image)
    except UnusableInputError:
        if not _is_empty(image):
            raise
        return b""


def _is_empty(image: ImageLike) -> bool:
    if isinstance(image, str | os.PathLike):
        return Path(image).is_file() and Path(image).stat().st_size == 0
    return isinstance(image, bytes) and not image


def _of_folder(folder: Path) -> Iterator[tuple[str, ImageLike]]:
    if not folder.is_dir():
        raise InvalidInputError(f"{folder} is neither a folder nor a zip file")
    taken: set[str] = set()
    for path in files_of(folder).images:
        name = shown_name(path.relative_to(folder))
        if name in taken:  # of bytes that are no text
            raise InvalidInputError(f"two images are called {name}; rename one")
        taken.add(name)
        yield name, path


def _named(images: Iterable[ImageLike]) -> Iterator[tuple[str, ImageLike]]:
    taken: set[str] = set()
    for number, image in enumerate(images):
        name = f"{number:05}.png"
        if isinstance(image, str | os.PathLike):
            name = shown_name(Path(Path(image).name))
            # The service takes what is named like an image; what it is, its bytes say.
            name = name if Path(name).suffix.lower() in IMAGE_SUFFIXES else f"{name}.png"
        while name in taken:  # in another folder; results would tell them apart no more
            name = f"{number:05}_{name}"
        taken.add(name)
        yield name, image
