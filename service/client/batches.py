"""Many images as requests of a size the service takes."""

import os
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.client.errors import InvalidInputError
from service.image_files import ImageLike, size_hint
from service.schemas import MAX_FILES
from service.units import MIB

Images = TypeVar("Images", bound=Iterable[ImageLike])

# Half of what a service takes by default: many small requests are repeated cheaply.
_MAX_BYTES = 32 * MIB
_MAX_CHANNELS = 4


def several(images: Images) -> Images:
    """The images, as they are.

    Raises:
        InvalidInputError: it is one, whose letters, bytes or rows would be taken for images.
    """
    if isinstance(images, np.ndarray):
        if not _is_one(images):
            return images
        kind = f"array of {images.shape}"
    elif isinstance(images, str | bytes | os.PathLike | Image.Image):
        kind = type(images).__name__
    else:
        return images
    raise InvalidInputError(f"images are several, such as [image], not one {kind}")


def batches(
    images: Iterable[ImageLike], size: int = MAX_FILES, max_bytes: int = _MAX_BYTES
) -> Iterator[list[ImageLike]]:
    """Groups of at most `size` images and, but for a single one, `max_bytes`, as they come.

    Raises:
        InvalidInputError: it is one image, or no request takes as many as `size`.
    """
    if not 1 <= size <= MAX_FILES:
        raise InvalidInputError(f"batch is 1 to {MAX_FILES}, not {size}")
    batch: list[ImageLike] = []
    bytes_inside = 0
    for image in several(images):
        weight = size_hint(image)
        if batch and bytes_inside + weight > max_bytes:
            yield batch
            batch, bytes_inside = [], 0
        batch.append(image)
        bytes_inside += weight
        # At once: the next image may not come before there is a result of this one.
        if len(batch) == size:
            yield batch
            batch, bytes_inside = [], 0
    if batch:
        yield batch


def _is_one(array: NDArray[Any]) -> bool:
    """Whether it is (H, W) or (H, W, channels) rather than images one after another."""
    return array.ndim == 2 or (array.ndim == 3 and array.shape[2] <= _MAX_CHANNELS)
