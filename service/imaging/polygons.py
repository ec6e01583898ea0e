"""Masks as COCO polygons that run along the outlines of pixels."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from service.imaging.contours import Ring, corner_rings
from service.imaging.masks import bounding_box
from service.imaging.regions import Region, cut_ring


def cut_polygons(regions: Iterable[Region]) -> list[list[float]]:
    """One polygon [x0, y0, x1, y1, ...] for each region, which is rasterised back exactly.

    COCO polygons cannot express holes: they are cut open to the outside, as `cut_ring` does.
    """
    return [_flat(cut_ring(region)) for region in regions]


def outer_polygons(mask: NDArray[np.bool_]) -> list[list[float]]:
    """Outer outlines of a mask (H, W), one polygon [x0, y0, x1, y1, ...] for each connected part.

    For editors, in which people move the corners and slits would be in the way: holes are filled.
    Coordinates are pixel corners, so a part of one pixel is a square of area 1, and a part
    without holes is rasterised back exactly. Parts are connected by edges and corners; an empty
    mask gives no polygon.
    """
    box = bounding_box(mask)
    if box is None:
        return []
    x, y, width, height = box
    rings = corner_rings(mask[y : y + height, x : x + width], holes=False, top=y, left=x)
    return [_flat(ring.corners) for ring in rings]


def _flat(ring: Ring) -> list[float]:
    return [float(value) for value in ring.ravel().tolist()]
