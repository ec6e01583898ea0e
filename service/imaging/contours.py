"""The outlines of a mask along the corners of its pixels."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Ring = NDArray[np.int32]  # (N, 2) corners x, y; the last joins the first


class CornerRing(NamedTuple):
    """One outline: of a connected part from outside, or of a hole in it."""

    corners: Ring
    is_hole: bool


def corner_rings(
    mask: NDArray[np.bool_], *, holes: bool, top: int = 0, left: int = 0
) -> list[CornerRing]:
    """The outlines of a mask (h, w), whose parts are connected by edges and corners.

    Args:
        mask: not empty.
        holes: outlines of holes too, and of parts inside them; else the outermost ones alone.
        top: of the mask's first row in the image.
        left: of its first column.
    """
    # OpenCV traces pixel centres. With every pixel doubled, the centres of its halves tell
    # its near side (even) from its far side (odd), and rounding up gives the corner itself.
    height, width = mask.shape
    size = (2 * width, 2 * height)
    doubled = cv2.resize(mask.view(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    mode = cv2.RETR_CCOMP if holes else cv2.RETR_EXTERNAL
    contours, hierarchy = cv2.findContours(doubled, mode, cv2.CHAIN_APPROX_SIMPLE)
    parents = np.asarray(hierarchy)[0, :, 3].tolist()
    origin = np.array([left, top], np.int32)
    return [
        CornerRing(_corners(np.asarray(contour, np.int32)[:, 0, :]) + origin, parent != -1)
        for contour, parent in zip(contours, parents, strict=True)
    ]


def _corners(halves: Ring) -> Ring:
    """From traced half pixels to corners, inner corners without repeats."""
    outline = (halves + 1) // 2
    moved = (outline != np.roll(outline, 1, axis=0)).any(axis=1)
    return np.asarray(outline[moved], np.int32)
