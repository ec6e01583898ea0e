"""Close-ups and portraits: parts of an image that are cropped and enlarged to show objects.

Squashed as a whole, an object of 40 pixels in an image of 4,000 covers less than a cell of the
network's grid: its prototype would be of what surrounds it, and its mask a guess.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

_OVERVIEW = 1024  # pixels of the longer side; enough to find an object, and small in memory
_MIN_SIDE = 64  # pixels of a side: smaller crops show the codec's blocks more than the object
_CONTEXT = 2.0  # side of a support's close-up, in longer sides of the object
_PORTRAIT = 1.2  # side of a support's portrait, likewise
_MARGIN = 1.5  # side of a window, in longer sides of what was marked, whose edges are not sure yet
_WORTH_IT = 0.5  # share of the image's area; windows that cover more hardly enlarge anything
_MAX_WINDOWS = 4  # windows of one class in one image
_SPECK = 0.02  # of the largest part's area, below which a part does not decide where to look


class Window(NamedTuple):
    """A part of an image, in pixels."""

    top: int
    left: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return (
            slice(self.top, self.top + self.height),
            slice(self.left, self.left + self.width),
        )

    @property
    def area(self) -> int:
        """How many pixels."""
        return self.height * self.width

    def overlaps(self, other: "Window") -> bool:
        """Whether both show a pixel."""
        return (
            self.top < other.top + other.height
            and other.top < self.top + self.height
            and self.left < other.left + other.width
            and other.left < self.left + self.width
        )


class _Part(NamedTuple):
    """A box around some of what a mask marks, in pixels, and how much that is."""

    top: float
    left: float
    bottom: float
    right: float
    area: float

    def joined(self, other: "_Part") -> "_Part":
        return _Part(
            min(self.top, other.top),
            min(self.left, other.left),
            max(self.bottom, other.bottom),
            max(self.right, other.right),
            self.area + other.area,
        )

    def window(self, sides: float, height: int, width: int) -> Window:
        """A square around it, `sides` times as long as its longer side, clipped to an image."""
        side = max(round(sides * max(self.bottom - self.top, self.right - self.left)), _MIN_SIDE)
        rows = _span((self.top + self.bottom) / 2, side, height)
        columns = _span((self.left + self.right) / 2, side, width)
        return Window(rows[0], columns[0], rows[1], columns[1])


def find_close_up(mask: NDArray[np.bool_]) -> Window | None:
    """The close-up of the largest part of a support's mask; None: the whole is close enough.

    Args:
        mask: (H, W) with an object pixel at least.
    """
    height, width = mask.shape
    largest = max(_parts(mask), key=lambda part: part.area)
    window = largest.window(_CONTEXT, height, width)
    return window if window.area < _WORTH_IT * mask.size else None


def find_portrait(mask: NDArray[np.bool_]) -> Window:
    """A window that the largest part of a support's mask nearly fills, whatever its size.

    One of the views that a class is recognised by (docs/adr/0010).

    Args:
        mask: (H, W) with an object pixel at least.
    """
    largest = max(_parts(mask), key=lambda part: part.area)
    return largest.window(_PORTRAIT, *mask.shape)


def find_windows(marked: NDArray[np.bool_], height: int, width: int) -> Sequence[Window]:
    """Windows of a query in which to segment close-ups of what was marked.

    There are none where they would hardly enlarge it. Two parts whose windows
    overlap share one window if it is no larger than both together. While there are too many
    windows, the two parts with the smallest common window share that. Other windows may overlap.

    Args:
        marked: (h, w) of the whole image, at any size.
        height: of the image in pixels.
        width: of the image in pixels.
    """
    if not marked.any():
        return ()
    scale_y, scale_x = height / marked.shape[0], width / marked.shape[1]
    found = _parts(marked)
    min_area = _SPECK * max(part.area for part in found)
    parts = [
        _Part(top * scale_y, left * scale_x, bottom * scale_y, right * scale_x, area)
        for top, left, bottom, right, area in sorted(found, key=lambda part: -part.area)
        if area >= min_area
    ][: _MAX_WINDOWS**2]
    windows = [part.window(_MARGIN, height, width) for part in parts]
    while pair := _to_join(windows, parts, height, width):
        first, second = pair
        parts[first] = parts[first].joined(parts.pop(second))
        windows.pop(second)
        windows[first] = parts[first].window(_MARGIN, height, width)
    return windows if sum(window.area for window in windows) < _WORTH_IT * height * width else ()


def _to_join(
    windows: Sequence[Window], parts: Sequence[_Part], height: int, width: int
) -> tuple[int, int] | None:
    """Two windows to join: overlapping and no larger as one, or the cheapest of too many."""
    pairs = list(combinations(range(len(windows)), 2))

    def cost(pair: tuple[int, int]) -> int:
        both = parts[pair[0]].joined(parts[pair[1]])
        return both.window(_MARGIN, height, width).area

    for i, j in pairs:
        apart = windows[i].area + windows[j].area
        if windows[i].overlaps(windows[j]) and cost((i, j)) <= apart:
            return i, j
    return min(pairs, key=cost) if len(windows) > _MAX_WINDOWS else None


def _span(centre: float, side: int, length: int) -> tuple[int, int]:
    """Start and length of a side around a centre, moved and clipped to lie within an axis."""
    side = min(side, length)
    return min(max(0, round(centre - side / 2)), length - side), side


def _parts(mask: NDArray[np.bool_]) -> list[_Part]:
    """The connected parts of a mask with a pixel at least."""
    height, width = mask.shape
    reduction = max(1.0, max(height, width) / _OVERVIEW)
    size = (max(1, round(width / reduction)), max(1, round(height / reduction)))
    # Of each axis: by its rounded side, a few cells of a long and narrow image are many pixels.
    scale_y, scale_x = height / size[1], width / size[0]
    overview = cv2.resize(mask.view(np.uint8) * np.uint8(255), size, interpolation=cv2.INTER_AREA)
    # Area averages round to zero what is thinner than 1/500 of a cell: then any pixel will do.
    if not overview.any():
        row, column = np.unravel_index(int(mask.argmax()), mask.shape)
        top, left = float(row), float(column)
        return [_Part(top, left, top + scale_y, left + scale_x, 1.0)]
    _, _, stats, _ = cv2.connectedComponentsWithStats((overview > 0).view(np.uint8))
    return [
        _Part(top * scale_y, left * scale_x, (top + tall) * scale_y, (left + wide) * scale_x, area)
        for left, top, wide, tall, area in stats[1:].astype(float).tolist()
    ]
