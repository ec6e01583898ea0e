"""Masks as polygons with holes, exact to the pixel and valid by the OGC's simple features."""

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from service.imaging.contours import Ring, corner_rings
from service.imaging.masks import bounding_box
from service.imaging.slits import join_rings


class Region(NamedTuple):
    """One part of a mask: what lies inside `outer` and in none of the `holes`."""

    outer: Ring
    holes: tuple[Ring, ...]


class Part(NamedTuple):
    """A rectangular cut of a mask.

    `mask` (h, w), whose first row and column are row `top` and column `left` of the whole mask
    (H, W).
    """

    top: int
    left: int
    mask: NDArray[np.bool_]


def components(
    mask: NDArray[np.bool_], *, connectivity: int = 8, top: int = 0, left: int = 0
) -> Iterator[Part]:
    """The connected parts of a mask (H, W), each within its box: thousands may be tiny.

    Only the box around all of them is searched, so a small object of a large image is quick.

    Args:
        mask: any; an empty one has no part.
        connectivity: 8 joins pixels that share a corner, 4 only those that share an edge.
        top: of the mask's first row in the image.
        left: of its first column.
    """
    around = bounding_box(mask)
    if around is None:
        return
    x, y, width, height = around
    inside = np.ascontiguousarray(mask[y : y + height, x : x + width]).view(np.uint8)
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(inside, connectivity=connectivity)
    for label in range(1, count):
        column, row, width, height = (int(value) for value in boxes[label][:4])
        box = labels[row : row + height, column : column + width]
        yield Part(top + y + row, left + x + column, np.ascontiguousarray(box == label))


def trace_regions(mask: NDArray[np.bool_], *, top: int = 0, left: int = 0) -> list[Region]:
    """The outlines of a mask (H, W) along pixel corners, holes and all, as from (top, left).

    Parts joined by a corner alone become regions of their own: one ring that touches itself, or
    an inside that hangs together by a point, is not a valid polygon.
    """
    return [_trace(part) for part in components(mask, connectivity=4, top=top, left=left)]


def cut_ring(region: Region) -> Ring:
    """The region as one ring: each hole is joined to the outside by a slit of no width.

    For formats without holes. Filled by either rule of filling, it covers what the region does.
    """
    return join_rings([region.outer, *region.holes])


def _trace(part: Part) -> Region:
    """The region of one part that is 4-connected."""
    rings = corner_rings(part.mask, holes=True, top=part.top, left=part.left)
    (outer,) = (ring.corners for ring in rings if not ring.is_hole)
    return Region(outer, tuple(ring.corners for ring in rings if ring.is_hole))
