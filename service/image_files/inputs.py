"""Images and masks in whatever form they come, as files that the service takes."""

import os
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.image_files.errors import UnusableInputError
from service.image_files.folder import read_failure
from service.image_files.pil_files import pil_image_file, pil_mask_file, png

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
        UnusableInputError: the file cannot be read, or the array is no image.
    """
    if isinstance(image, Image.Image):
        return pil_image_file(image)
    if isinstance(image, np.ndarray):
        return png(Image.fromarray(_pixels(image)))
    return _bytes(image)


def mask_file(mask: MaskLike) -> bytes:
    """The bytes of a mask file; nonzero is object, in a lossy file what is at least half as bright.

    Raises:
        UnusableInputError: the file cannot be read, or the array is no mask.
    """
    if isinstance(mask, Image.Image):
        return pil_mask_file(mask)
    if isinstance(mask, np.ndarray):
        if mask.ndim != 2 or mask.dtype not in (np.bool_, np.uint8) or not mask.size:
            raise UnusableInputError(
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


def _bytes(source: str | os.PathLike[str] | bytes) -> bytes:
    if isinstance(source, bytes):
        return _not_empty(source, "")
    if not isinstance(source, str | os.PathLike):
        raise UnusableInputError(
            "an image or mask is a path, bytes, a NumPy array or a PIL image, "
            f"not {type(source).__name__}"
        )
    try:
        return _not_empty(Path(source).read_bytes(), f"{os.fspath(source)}: ")
    except OSError as exc:
        reason = read_failure(Path(source), exc)
        raise UnusableInputError(f"{os.fspath(source)}: {reason}") from exc
    except ValueError as exc:  # such as a null byte
        raise UnusableInputError(f"{os.fspath(source)!r} cannot name a file: {exc}") from exc


def _not_empty(data: bytes, prefix: str) -> bytes:
    if not data:
        raise UnusableInputError(f"{prefix}the file is empty")
    return data


def _pixels(image: NDArray[Any]) -> NDArray[np.uint8]:
    is_image = image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
    if image.dtype != np.uint8 or not is_image or not image.size:
        raise UnusableInputError(f"an image is {_IMAGE_SHAPES}, not {_described(image)}")
    return np.ascontiguousarray(image, np.uint8)


def _described(array: NDArray[Any]) -> str:
    return f"{array.dtype} of {array.shape}"
