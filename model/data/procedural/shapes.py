"""Outlines of defects as coverage maps, float32 (side, side) in [0, 1]."""

import cv2
import numpy as np
from numpy.typing import NDArray

from model.data.procedural.noise import Field, displace, fractal_noise, smooth_noise, uniform

_SUBPIXEL_BITS = 3


def _fixed_point(points: NDArray[np.float64]) -> NDArray[np.int32]:
    """Points (N, 2) as (x, y) in OpenCV's fixed point, so that outlines are anti-aliased."""
    return np.asarray(np.round(points * 2**_SUBPIXEL_BITS), np.int32)


def _place(rng: np.random.Generator, side: int, margin: float) -> NDArray[np.float64]:
    margin = min(margin, side * 0.35)
    return rng.uniform(margin, side - margin, 2)


def ragged(rng: np.random.Generator, coverage: Field, cell: float, depth: float) -> Field:
    """Fray the outline by `depth` pixels at a scale of `cell` pixels."""
    side = coverage.shape[0]
    shifts = (fractal_noise(rng, side, cell, 3) * np.float32(depth) for _ in range(2))
    return displace(coverage, *shifts)


def ellipses(
    rng: np.random.Generator, side: int, radius: float, count: int, flattest: float = 0.5
) -> Field:
    """Scattered ellipses of about `radius` pixels."""
    canvas = np.zeros((side, side), np.uint8)
    for _ in range(count):
        own = radius * uniform(rng, 0.7, 1.3)
        axes = np.array([own, own * uniform(rng, flattest, 1.0)])
        angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
        turn = uniform(rng, 0, np.pi)
        ring = np.stack([np.cos(angles), np.sin(angles)], axis=1) * axes
        rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        points = ring @ rotation + _place(rng, side, own)
        cv2.fillPoly(canvas, [_fixed_point(points)], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
    return np.asarray(canvas, np.float32) / np.float32(255)


def blobs(rng: np.random.Generator, side: int, radius: float, count: int) -> Field:
    """Organic patches: ellipses whose outline noise has eaten into."""
    coverage = ellipses(rng, side, radius, count, 0.45)
    coverage = ragged(rng, coverage, radius * 1.2, radius * 0.22)
    return ragged(rng, coverage, max(4.0, radius * 0.3), min(radius * 0.07, 3.0))


def shards(rng: np.random.Generator, side: int, radius: float, count: int) -> Field:
    """Angular grains."""
    canvas = np.zeros((side, side), np.uint8)
    for _ in range(count):
        own = radius * uniform(rng, 0.6, 1.3)
        angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(5, 9))))
        reach = own * rng.uniform(0.65, 1.15, (len(angles), 1))
        points = np.stack([np.cos(angles), np.sin(angles)], axis=1) * reach
        points = points + _place(rng, side, own)
        cv2.fillPoly(canvas, [_fixed_point(points)], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
    return np.asarray(canvas, np.float32) / np.float32(255)


def _draw_path(canvas: NDArray[np.uint8], points: NDArray[np.float64], widths: list[int]) -> None:
    fixed = _fixed_point(points)
    for start, stop, width in zip(fixed[:-1], fixed[1:], widths, strict=False):
        cv2.line(
            canvas, start.tolist(), stop.tolist(), 255, max(1, width), cv2.LINE_AA, _SUBPIXEL_BITS
        )


def strokes(
    rng: np.random.Generator, side: int, length: float, width: float, count: int, *, curl: float
) -> Field:
    """Paths of `length` by `width` pixels, tapered at both ends; `curl` radians a step of turn."""
    canvas = np.zeros((side, side), np.uint8)
    heading = uniform(rng, 0, 2 * np.pi)
    for _ in range(count):
        steps = 28
        turns = np.cumsum(rng.normal(0, 1, steps)) * curl + rng.normal(0, 0.25)
        own = heading + (turns if curl < 0.2 else turns + uniform(rng, 0, 6.3))
        moves = np.stack([np.cos(own), np.sin(own)], axis=1) * (length / steps)
        path = np.cumsum(moves, axis=0)
        path += _place(rng, side, length * 0.3) - path.mean(axis=0)
        taper = np.sqrt(np.sin(np.linspace(0.15, np.pi - 0.15, steps)))
        _draw_path(canvas, path, [round(width * share) for share in taper])
    return np.asarray(canvas, np.float32) / np.float32(255)


def branches(rng: np.random.Generator, side: int, length: float, width: float) -> Field:
    """A jagged path that forks, thinner at every fork."""
    canvas = np.zeros((side, side), np.uint8)
    start = _place(rng, side, side * 0.2)
    heading = uniform(rng, 0, 2 * np.pi)
    open_paths = [(start, heading, length / 2, width), (start, heading + np.pi, length / 2, width)]
    while open_paths and len(open_paths) < 16:
        origin, course, reach, thick = open_paths.pop()
        steps = max(3, int(reach / 7))
        turns = course + np.cumsum(rng.normal(0, 0.18, steps)) + rng.normal(0, 0.45, steps)
        moves = np.stack([np.cos(turns), np.sin(turns)], axis=1) * (reach / steps)
        path = origin + np.vstack([[0.0, 0.0], np.cumsum(moves, axis=0)])
        taper = np.linspace(1.0, 0.4, steps) * rng.uniform(0.6, 1.2, steps)
        _draw_path(canvas, path, [round(thick * share) for share in taper])
        if reach > length * 0.12:
            for fork in rng.choice(path, size=int(rng.integers(0, 3)), replace=False):
                side_turn = course + rng.choice([-1, 1]) * uniform(rng, 0.4, 1.2)
                open_paths.append((fork, side_turn, reach * uniform(rng, 0.3, 0.6), thick * 0.7))
    return np.asarray(canvas, np.float32) / np.float32(255)


def speckled(rng: np.random.Generator, coverage: Field, cell: float) -> Field:
    """Break a patch into islands that thin out towards its rim."""
    side = coverage.shape[0]
    core = cv2.GaussianBlur(coverage, (0, 0), max(2.0, cell))
    islands = smooth_noise(rng, side, cell) * np.minimum(core * 2, 0.45)
    field = core * 2.6 - 1.0 + islands
    return np.asarray(np.clip(field * 3, 0, 1), np.float32)
