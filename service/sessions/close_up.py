"""The part of a support in which a small object is seen from near.

Squashed as a whole, an object of 40 pixels in an image of 4,000 covers less than a cell of the
network's grid, and its prototype would be of what surrounds it.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

_OVERVIEW = 1024  # pixels of the longer side; enough to find an object, and small in memory
_CONTEXT = 4  # sides of the object that a close-up shows
_WORTH_IT = 0.7  # of the image's side: a closer look than that is none


class Window(NamedTuple):
    """A square part of an image, in pixels."""

    top: int
    left: int
    side: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return (
            slice(self.top, self.top + self.side),
            slice(self.left, self.left + self.side),
        )


def least_side(input_side: int) -> int:
    """Pixels below which a closer look costs more tiles than it shows detail (docs/adr/0018)."""
    return 2 * input_side // 3


def find_window(mask: NDArray[np.bool_], input_side: int) -> Window | None:
    """The close-up of the largest part of a mask (H, W); None where the whole is close enough.

    Args:
        mask: with an object pixel at least.
        input_side: S, of the network.
    """
    height, width = mask.shape
    row, column, extent = _largest_part(mask)
    side = max(round(_CONTEXT * extent), least_side(input_side))
    if side > _WORTH_IT * (height * width) ** 0.5 or side > min(height, width):
        return None
    top = min(max(0, round(row - side / 2)), height - side)
    left = min(max(0, round(column - side / 2)), width - side)
    return Window(top, left, side)


def _largest_part(mask: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Centre (row, column) and longer side of the largest connected part, in pixels."""
    height, width = mask.shape
    scale = max(1.0, max(height, width) / _OVERVIEW)
    size = (max(1, round(width / scale)), max(1, round(height / scale)))
    seen = cv2.resize(mask.view(np.uint8) * np.uint8(255), size, interpolation=cv2.INTER_AREA)
    # Area averages round to zero what is thinner than 1/500 of a cell: then any pixel will do.
    if not seen.any():
        row, column = np.unravel_index(int(mask.argmax()), mask.shape)
        return float(row), float(column), scale
    _, _, stats, _ = cv2.connectedComponentsWithStats((seen > 0).view(np.uint8))
    left, top, part_width, part_height, _ = stats[1:][stats[1:, cv2.CC_STAT_AREA].argmax()]
    centre = (top + part_height / 2) * scale, (left + part_width / 2) * scale
    return float(centre[0]), float(centre[1]), float(max(part_width, part_height)) * scale
