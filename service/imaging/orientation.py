"""EXIF orientation: from the frame pixels are stored in to the frame people see."""

import cv2
import numpy as np
from numpy.typing import NDArray

_TRANSPOSED = frozenset({5, 6, 7, 8})
# What remains to be flipped after the transposition, in OpenCV's code: 0 rows, 1 columns, -1 both.
_FLIPS = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}


def swaps_sides(orientation: int) -> bool:
    """Whether what is stored as a row is displayed as a column."""
    return orientation in _TRANSPOSED


def displayed_size(height: int, width: int, orientation: int) -> tuple[int, int]:
    """Height and width of an image upright, from those that are stored."""
    return (width, height) if swaps_sides(orientation) else (height, width)


def to_displayed_frame(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Rotate stored pixels (H, W[, 3]) upright; orientations 5 to 8 swap height and width."""
    upright = pixels
    if swaps_sides(orientation):
        upright = np.asarray(cv2.transpose(upright), np.uint8)
    if orientation in _FLIPS:
        upright = np.asarray(cv2.flip(upright, _FLIPS[orientation]), np.uint8)
    return upright
