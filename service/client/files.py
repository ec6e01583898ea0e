"""Images and masks in whatever form they come, as files that the service takes."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path, PurePath
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.client.errors import InvalidInputError
from service.client.pil_files import pil_image_file, pil_mask_file, png
from service.schemas import IMAGE_SUFFIXES, SYSTEM_FOLDERS

ImageLike: TypeAlias = str | os.PathLike[str] | bytes | NDArray[np.uint8] | Image.Image
"""A path, a file's bytes, RGB (H, W, 3) or grey (H, W), or a PIL image of any mode."""
MaskLike: TypeAlias = (
    str | os.PathLike[str] | bytes | NDArray[np.bool_] | NDArray[np.uint8] | Image.Image
)
"""A path, a file's bytes, (H, W) that is true or nonzero on the object, or a PIL image."""

_IMAGE_SHAPES = "uint8 of (height, width) or (height, width, 3)"


def image_file(image: ImageLike) -> bytes:
    """The bytes of an image file; pixels become one of a kind that changes none.

    Raises:
        InvalidInputError: the file cannot be read, or the array is no image.
    """
    if isinstance(image, Image.Image):
        return pil_image_file(image)
    if isinstance(image, np.ndarray):
        return png(Image.fromarray(_pixels(image)))
    return _bytes(image)


def mask_file(mask: MaskLike) -> bytes:
    """The bytes of a mask file; nonzero is object, in a lossy file what is at least half as bright.

    Raises:
        InvalidInputError: the file cannot be read, or the array is no mask.
    """
    if isinstance(mask, Image.Image):
        return pil_mask_file(mask)
    if isinstance(mask, np.ndarray):
        if mask.ndim != 2 or mask.dtype not in (np.bool_, np.uint8) or not mask.size:
            raise InvalidInputError(
                f"a mask is bool or uint8 of (height, width), not {_described(mask)}"
            )
        return png(Image.fromarray(np.where(mask, np.uint8(255), np.uint8(0))))
    return _bytes(mask)


def size_hint(image: ImageLike) -> int:
    """Bytes that an image takes on the wire at most; of files that cannot be read, 0."""
    if isinstance(image, bytes):
        return len(image)
    if isinstance(image, np.ndarray):
        return image.nbytes
    if isinstance(image, Image.Image):
        return image.width * image.height * 4
    try:
        return Path(image).stat().st_size
    except (OSError, ValueError, TypeError):
        return 0


def images_in(
    folder: Path, *, recursive: bool = True, without: Collection[Path] = ()
) -> Iterator[Path]:
    """The image files of a folder as they come, hidden ones left out.

    Args:
        folder: to look in.
        recursive: look in the folders inside, too.
        without: files, and folders with all that is in them, to leave out.

    Raises:
        InvalidInputError: a folder cannot be read.
    """
    left_out = {path.resolve() for path in without}
    for place, folders, names in os.walk(folder, onerror=_refuse_folder):
        folders[:] = [name for name in folders if name not in SYSTEM_FOLDERS]
        inside = [name for name in folders if recursive and not name.startswith(".")]
        folders[:] = [name for name in inside if Path(place, name).resolve() not in left_out]
        for path in (Path(place, name) for name in names if not name.startswith(".")):
            if path.suffix.lower() not in IMAGE_SUFFIXES or not path.is_file():
                continue
            resolved = path.resolve()
            if left_out.isdisjoint((resolved, *resolved.parents)):
                yield path


def _refuse_folder(error: OSError) -> NoReturn:
    raise InvalidInputError(f"{error.filename}: {error.strerror}") from error


def shown_name(path: PurePath) -> str:
    """A path with slashes, as text that can be sent and kept: names of files need not be UTF-8."""
    return os.fsencode(path.as_posix()).decode("utf-8", "replace")


def _bytes(source: str | os.PathLike[str] | bytes) -> bytes:
    if isinstance(source, bytes):
        return source
    if not isinstance(source, str | os.PathLike):
        raise InvalidInputError(
            "an image or mask is a path, bytes, a NumPy array or a PIL image, "
            f"not {type(source).__name__}"
        )
    try:
        return Path(source).read_bytes()
    except OSError as exc:
        raise InvalidInputError(f"{os.fspath(source)}: {exc.strerror}") from exc
    except ValueError as exc:  # such as a null byte
        raise InvalidInputError(f"{os.fspath(source)!r} cannot name a file: {exc}") from exc


def _pixels(image: NDArray[Any]) -> NDArray[np.uint8]:
    is_image = image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
    if image.dtype != np.uint8 or not is_image or not image.size:
        raise InvalidInputError(f"an image is {_IMAGE_SHAPES}, not {_described(image)}")
    return np.ascontiguousarray(image, np.uint8)


def _described(array: NDArray[Any]) -> str:
    return f"{array.dtype} of {array.shape}"
