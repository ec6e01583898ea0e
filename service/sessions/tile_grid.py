"""Positions of the tiles of an image, and their blending weights at every pixel.

Tiles are spread evenly, so that the last ends with the image. Rows and columns make a product
grid, hence windows and their sum are products as well, and no full-size array of weights is needed.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

OVERLAP = 0.25  # of a tile's side, at least


class Spread(NamedTuple):
    """Tiles along one axis of `length` pixels: where each starts, and how long all of them are."""

    starts: tuple[int, ...]
    side: int
    length: int

    @classmethod
    def over(cls, length: int, side: int) -> "Spread":
        """The fewest tiles that overlap enough; a tile longer than the axis is clipped to it."""
        steps = _steps(length, side)
        if not steps:
            return cls((0,), length, length)
        return cls(
            tuple(round(i * (length - side) / steps) for i in range(steps + 1)), side, length
        )

    def weights(self) -> list[NDArray[np.float32]]:
        """The weight of each tile at its pixels (side,); at every pixel they add up to one."""
        distance = np.minimum(np.arange(self.side) + 0.5, np.arange(self.side)[::-1] + 0.5)
        ramp = np.clip(distance / (OVERLAP * self.side), 0, 1)
        window = np.sin(np.pi / 2 * ramp) ** 2
        total = np.zeros(self.length)
        for start in self.starts:
            total[start : start + self.side] += window
        return [
            (window / total[start : start + self.side]).astype(np.float32) for start in self.starts
        ]


def _steps(length: int, side: int) -> int:
    """How many tiles follow the first along an axis, so that neighbours overlap enough."""
    return max(0, math.ceil((length - side) / (side * (1 - OVERLAP))))


class Grid(NamedTuple):
    """The tiles of an image."""

    rows: Spread
    columns: Spread

    @classmethod
    def over(cls, height: int, width: int, side: int, *, max_tiles: int) -> "Grid":
        """Square tiles of `side` pixels, or of more where they would be more than `max_tiles`."""
        # By number first: an image of a single row may be millions of tiles long.
        while (_steps(height, side) + 1) * (_steps(width, side) + 1) > max_tiles:
            side += max(1, side // 16)
        return cls(Spread.over(height, side), Spread.over(width, side))

    @property
    def tiles(self) -> int:
        """How many there are."""
        return len(self.rows.starts) * len(self.columns.starts)

    def boxes(self) -> Iterator[tuple[slice, slice]]:
        """Rows and columns of each tile, row by row."""
        for top in self.rows.starts:
            for left in self.columns.starts:
                yield slice(top, top + self.rows.side), slice(left, left + self.columns.side)
