"""Masks as COCO polygons that run along the outlines of pixels."""

import cv2
import numpy as np
from numpy.typing import NDArray


def encode_polygons(mask: NDArray[np.bool_]) -> list[list[float]]:
    """Outer outlines of a mask (H, W), one polygon [x0, y0, x1, y1, ...] for each connected part.

    Coordinates are pixel corners, so a part of one pixel is a square of area 1, and a part
    without holes is rasterised back exactly. COCO polygons cannot express holes: they are filled.
    Parts are connected by edges and corners; an empty mask gives no polygon.
    """
    objects = np.ascontiguousarray(mask).view(np.uint8)
    x, y, width, height = cv2.boundingRect(objects)
    if not width:
        return []
    # OpenCV traces pixel centres. With every pixel doubled, the centres of its halves tell
    # its near side (even) from its far side (odd), and rounding up gives the corner itself.
    part = objects[y : y + height, x : x + width]
    doubled = cv2.resize(part, (2 * width, 2 * height), interpolation=cv2.INTER_NEAREST)
    contours, _ = cv2.findContours(doubled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    origin = np.array([x, y], np.int32)
    return [_corners(np.asarray(contour, np.int32)[:, 0, :], origin) for contour in contours]


def _corners(halves: NDArray[np.int32], origin: NDArray[np.int32]) -> list[float]:
    """From traced half pixels (N, 2) to corners [x0, y0, ...], inner corners without repeats."""
    outline = (halves + 1) // 2 + origin
    moved = (outline != np.roll(outline, 1, axis=0)).any(axis=1)
    return [float(value) for value in outline[moved].ravel().tolist()]
