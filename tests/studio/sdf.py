"""Signed distances (N,) from points (3, N) to solids at the origin, and how to combine them."""

import numpy as np

from tests.studio.vectors import Float, length, vector


def moved(points: Float, x: float, y: float, z: float) -> Float:
    """Points as seen from a solid placed at (x, y, z)."""
    return points - vector(x, y, z)


def turned(points: Float, degrees: float, axis: int) -> Float:
    """Points as seen from a solid turned about coordinate `axis`."""
    angle = np.deg2rad(degrees)
    sine, cosine = float(np.sin(angle)), float(np.cos(angle))
    first, second = [a for a in range(3) if a != axis]
    turned_points = points.copy()
    turned_points[first] = cosine * points[first] + sine * points[second]
    turned_points[second] = cosine * points[second] - sine * points[first]
    return turned_points


def sphere(points: Float, radius: float) -> Float:
    """A ball."""
    return length(points) - radius


def ellipsoid(points: Float, rx: float, ry: float, rz: float) -> Float:
    """An ellipsoid; first-order distance, which never passes the surface when damped."""
    radii = vector(rx, ry, rz)
    scaled = length(points / radii)
    gradient = np.maximum(length(points / (radii * radii)), 1e-6)
    return np.asarray(scaled * (scaled - 1) / gradient)


def box(points: Float, hx: float, hy: float, hz: float, rounding: float = 0.0) -> Float:
    """A box of half extents with rounded edges."""
    outside = np.abs(points) - (vector(hx, hy, hz) - rounding)
    inside = np.minimum(np.max(outside, axis=0), 0)
    return np.asarray(length(np.maximum(outside, 0)) + inside - rounding)


def cylinder(points: Float, radius: float, half_height: float, rounding: float = 0.0) -> Float:
    """An upright cylinder with rounded edges."""
    radial = np.hypot(points[0], points[1]) - (radius - rounding)
    axial = np.abs(points[2]) - (half_height - rounding)
    corner = np.hypot(np.maximum(radial, 0), np.maximum(axial, 0))
    return np.asarray(np.minimum(np.maximum(radial, axial), 0) + corner - rounding)


def torus(points: Float, ring: float, tube: float) -> Float:
    """A ring that lies in the xy plane."""
    return np.asarray(np.hypot(np.hypot(points[0], points[1]) - ring, points[2]) - tube)


def capsule(points: Float, start: Float, end: Float, radius: float) -> Float:
    """A rod with round ends from `start` to `end` (3, 1)."""
    axis = end - start
    along = np.clip(((points - start) * axis).sum(axis=0) / float((axis * axis).sum()), 0, 1)
    return length(points - start - axis * along) - radius


def union(first: Float, second: Float, blend: float) -> Float:
    """Union with a fillet about `blend` wide (polynomial smooth minimum)."""
    overlap = np.maximum(blend - np.abs(first - second), 0) / blend
    return np.asarray(np.minimum(first, second) - overlap * overlap * (blend / 4))


def cut(first: Float, second: Float, blend: float) -> Float:
    """`first` without `second`, its edge rounded by `blend`."""
    return -union(-first, second, blend)
