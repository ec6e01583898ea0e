"""Masks as COCO polygons that run along the outlines of pixels."""

import numpy as np
from numpy.typing import NDArray

from service.imaging.contours import corner_rings
from service.imaging.masks import bounding_box


def encode_polygons(mask: NDArray[np.bool_]) -> list[list[float]]:
    """Outer outlines of a mask (H, W), one polygon [x0, y0, x1, y1, ...] for each connected part.

    Coordinates are pixel corners, so a part of one pixel is a square of area 1, and a part
    without holes is rasterised back exactly. COCO polygons cannot express holes: they are filled.
    Parts are connected by edges and corners; an empty mask gives no polygon.
    """
    box = bounding_box(mask)
    if box is None:
        return []
    x, y, width, height = box
    rings = corner_rings(mask[y : y + height, x : x + width], holes=False, top=y, left=x)
    return [[float(value) for value in ring.corners.ravel().tolist()] for ring in rings]
