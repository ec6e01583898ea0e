"""What was found in an image as the shapes of X-AnyLabeling."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from service.imaging import decode_rle, outer_polygons
from service.schemas import ClassResult, ImageResult, RleMask

_LEAST_EPSILON = 0.1  # pixels; corners of masks are whole numbers apart


def to_shapes(result: ImageResult, *, min_score: float, tolerance: float) -> list[dict[str, Any]]:
    """One polygon for each connected part of each class, in pixels; parts of a class are a group.

    People edit them, so they are outer outlines: holes are filled, not cut open.

    Args:
        result: its masks are run lengths.
        min_score: of a class that is kept.
        tolerance: share of the outline's perimeter (epsilon of `approxPolyDP`).
    """
    kept = [each for each in result.classes if each.area and each.score >= min_score]
    return [
        _shape(found, points.tolist(), number)
        for number, found in enumerate(kept, start=1)
        for points in _outlines(found, tolerance)
    ]


def _outlines(found: ClassResult, tolerance: float) -> list[NDArray[np.float32]]:
    mask = decode_rle(RleMask.model_validate(found.mask))
    return [
        _simplified(np.array(each, np.float32).reshape(-1, 2), tolerance)
        for each in outer_polygons(mask)
    ]


def _simplified(points: NDArray[np.float32], tolerance: float) -> NDArray[np.float32]:
    """An outline (N, 2) with fewer corners, but at least three of them, if it has so many."""
    epsilon = tolerance * cv2.arcLength(points, True)
    while epsilon > _LEAST_EPSILON:
        simple = np.asarray(cv2.approxPolyDP(points, epsilon, True), np.float32)[:, 0, :]
        if len(simple) >= 3:
            return simple
        epsilon /= 2
    return points


def _shape(found: ClassResult, points: list[list[float]], group: int) -> dict[str, Any]:
    return {
        "label": found.class_name,
        "shape_type": "polygon",
        "points": points,
        "score": found.score,
        "group_id": group,
        "attributes": {},
        "description": None,
        "difficult": False,
        "direction": 0,
        "flags": None,
        "kie_linking": [],
    }
