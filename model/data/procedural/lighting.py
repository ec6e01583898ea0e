"""How the form of a defect shows under light from one side."""

import cv2
import numpy as np
from numpy.typing import NDArray

from model.data.procedural.noise import Field, Image, relief


def patch_radius(side: int, scale: float, count: int) -> float:
    """Radius in pixels of each of `count` patches that cover the share `scale` together."""
    return float(max(1.6, side * np.sqrt(scale / (np.pi * 0.75 * count))))


def mean_colour(image: Image) -> NDArray[np.float32]:
    """The surface's own colour (3,)."""
    return np.asarray(image.mean(axis=(0, 1)), np.float32)


def bulge(coverage: Field) -> Field:
    """A smooth dome over each patch, 0 at its outline and at most 1."""
    solid = np.asarray(coverage > 0.5, np.uint8)
    depth = cv2.distanceTransform(solid, cv2.DIST_L2, 3)
    dome = np.sqrt(depth / max(float(depth.max()), 1.0))
    return np.asarray(
        cv2.GaussianBlur(dome, (0, 0), max(1.0, float(depth.max()) * 0.2)), np.float32
    )


def shadow(coverage: Field, light: float, reach: float) -> Field:
    """The part of the surroundings that an object keeps from the light."""
    shift = np.array([[1, 0, np.cos(light) * reach], [0, 1, np.sin(light) * reach]], np.float32)
    cast = cv2.warpAffine(coverage, shift, coverage.shape[::-1])
    return np.asarray(np.clip(cv2.GaussianBlur(cast, (0, 0), 1.2) - coverage, 0, 1), np.float32)


def lit_edge(coverage: Field, light: float, softness: float) -> Field:
    """Brightness along an outline: it faces the light on one side, turns away on the other."""
    soft = cv2.GaussianBlur(coverage, (0, 0), softness)
    return relief(np.asarray(soft, np.float32), light)
