"""Arithmetic of many 3-vectors at once, laid out (3, N) so that every coordinate is contiguous."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.floating[Any]]
Bool = NDArray[np.bool_]


def vector(x: float, y: float, z: float) -> Float:
    """One vector as a column (3, 1), which broadcasts against (3, N)."""
    return np.array([[x], [y], [z]], np.float32)


def dot(left: Float, right: Float) -> Float:
    """Inner products (N,) of (3, N) and (3, N)."""
    return np.asarray(left[0] * right[0] + left[1] * right[1] + left[2] * right[2])


def length(vectors: Float) -> Float:
    """Euclidean lengths (N,)."""
    return np.asarray(np.sqrt(dot(vectors, vectors)))


def normalize(vectors: Float) -> Float:
    """Unit vectors (3, N); a zero vector stays zero."""
    return np.asarray(vectors / np.maximum(length(vectors), 1e-12))


def cross(left: Float, right: Float) -> Float:
    """Cross products (3, N)."""
    return np.stack(
        [
            left[1] * right[2] - left[2] * right[1],
            left[2] * right[0] - left[0] * right[2],
            left[0] * right[1] - left[1] * right[0],
        ]
    )


def frame(normals: Float) -> tuple[Float, Float]:
    """Two tangents (3, N) that complete unit normals to a basis; without a pole at z = -1.

    The first tangent of a surface that faces up is the x axis, which gives brushed metal its grain.
    """
    x, y, z = normals
    sign = np.where(z >= 0, np.float32(1), np.float32(-1))
    a = -1 / (sign + z)
    b = x * y * a
    return (
        np.stack([1 + sign * x * x * a, sign * b, -sign * x]),
        np.stack([b, sign + y * y * a, -y]),
    )


def smoothstep(low: float, high: float, values: Float) -> Float:
    """Hermite ramp from 0 at `low` to 1 at `high`; a falling ramp where high < low."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))
