"""A support as another person might have given it."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

_LOOSE = 0.1  # of the square root of the object's area: about a tenth of its width
_CROP = 2  # sides of the object's box


class Shot(NamedTuple):
    """An image (H, W, 3) and the object in it (H, W)."""

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]


def as_drawn(shot: Shot) -> Shot:
    """The mask as it is."""
    return shot


def loose(shot: Shot) -> Shot:
    """A mask that goes beyond the object all around."""
    return shot._replace(mask=_morphed(shot.mask, cv2.MORPH_DILATE))


def tight(shot: Shot) -> Shot:
    """A mask that leaves a border of the object out; as it is where nothing else were left."""
    mask = _morphed(shot.mask, cv2.MORPH_ERODE)
    return shot._replace(mask=mask) if mask.any() else shot


def box(shot: Shot) -> Shot:
    """The object's bounding box in place of its mask."""
    rows, columns = _extent(shot.mask)
    mask = np.zeros_like(shot.mask)
    mask[rows, columns] = True
    return shot._replace(mask=mask)


def cropped(shot: Shot) -> Shot:
    """Image and mask cut to a square around the object, of twice its box, within the image."""
    rows, columns = _extent(shot.mask)
    side = _CROP * max(rows.stop - rows.start, columns.stop - columns.start)
    window = tuple(
        _window(extent, side, size)
        for extent, size in zip((rows, columns), shot.mask.shape, strict=True)
    )
    return Shot(np.ascontiguousarray(shot.image[window]), np.ascontiguousarray(shot.mask[window]))


VARIANTS: Mapping[str, Callable[[Shot], Shot]] = {
    "mask as drawn": as_drawn,
    "mask a tenth too wide": loose,
    "mask a tenth too narrow": tight,
    "box as mask": box,
    "cropped to twice the object": cropped,
}


def _morphed(mask: NDArray[np.bool_], operation: int) -> NDArray[np.bool_]:
    radius = max(1, round(_LOOSE * float(np.sqrt(np.count_nonzero(mask)))))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(cv2.morphologyEx(mask.astype(np.uint8), operation, disc), np.bool_)


def _extent(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _window(extent: slice, side: int, size: int) -> slice:
    """`side` pixels around an extent, moved and cut to lie within `size`."""
    start = max(0, min((extent.start + extent.stop - side) // 2, size - side))
    return slice(start, min(size, start + side))
