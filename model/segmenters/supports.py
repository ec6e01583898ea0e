"""What both segmenters do with a support before its encoding."""

import hashlib
from collections.abc import Hashable

import numpy as np
from numpy.typing import NDArray

from model.runtime import find_close_up


def support_key(key: Hashable, mask: NDArray[np.bool_]) -> Hashable:
    """The cache key of an image together with its mask."""
    return key, hashlib.blake2b(np.packbits(mask).tobytes()).digest()


def crop_close_up(
    image: NDArray[np.uint8], mask: NDArray[np.bool_]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]] | None:
    """The window around a small object, of image and mask; None where the whole image is one."""
    window = find_close_up(mask)
    if window is None:
        return None
    return np.ascontiguousarray(image[window.slices]), mask[window.slices]
