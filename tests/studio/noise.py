"""Fractal noise: on grids, for maps of a surface, and at points in space, for solid textures."""

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.studio.vectors import Float

_UNIT = 1.0 / (1 << 24)


def lattice(shape: tuple[int, int], cells: tuple[int, int], rng: np.random.Generator) -> Float:
    """One octave (H, W): random values on `cells` (rows, columns), cubic in between, about 0..1."""
    values = rng.random((cells[0] + 3, cells[1] + 3), dtype=np.float32)
    return np.asarray(cv2.resize(values, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC))


def fractal(
    shape: tuple[int, int],
    cells: tuple[int, int],
    rng: np.random.Generator,
    *,
    octaves: int = 5,
    gain: float = 0.5,
) -> Float:
    """Sum of octaves (H, W), each twice as fine and `gain` as strong; mean 0, deviation 1."""
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        fine = (min(cells[0] << octave, shape[0]), min(cells[1] << octave, shape[1]))
        total += gain**octave * (lattice(shape, fine, rng) - 0.5)
    return np.asarray((total - total.mean()) / total.std())


def slopes(height: Float, spacing: float) -> Float:
    """Slopes (H, W, 2) along columns (x) and rows (y) of a height map with `spacing` a pixel."""
    along_y, along_x = np.gradient(height, np.float32(spacing))
    return np.stack([along_x, along_y], axis=-1).astype(np.float32)


def _hash(x: NDArray[np.uint32], y: NDArray[np.uint32], z: NDArray[np.uint32]) -> Float:
    mixed = x * np.uint32(0x8DA6B343) ^ y * np.uint32(0xD8163841) ^ z * np.uint32(0xCB1AB31F)
    mixed ^= mixed >> np.uint32(15)
    mixed *= np.uint32(0x2C1B3C6D)
    mixed ^= mixed >> np.uint32(12)
    mixed *= np.uint32(0x297A2D39)
    top = (mixed ^ (mixed >> np.uint32(15))) >> np.uint32(8)
    return np.asarray(top.astype(np.float32) * _UNIT)


def solid(points: Float) -> Float:
    """Value noise (N,) in -1..1 at points (3, N), one cell a unit."""
    floor = np.floor(points)
    fade = points - floor
    fade = fade * fade * (3 - 2 * fade)
    x, y, z = floor.astype(np.int32).view(np.uint32)
    one = np.uint32(1)
    layers = []
    for depth in (z, z + one):
        near = _hash(x, y, depth) * (1 - fade[0]) + _hash(x + one, y, depth) * fade[0]
        far = _hash(x, y + one, depth) * (1 - fade[0]) + _hash(x + one, y + one, depth) * fade[0]
        layers.append(near * (1 - fade[1]) + far * fade[1])
    return np.asarray(2 * (layers[0] * (1 - fade[2]) + layers[1] * fade[2]) - 1)


def solid_fractal(points: Float, octaves: int = 4) -> Float:
    """Octaves of `solid` (N,), about -1..1."""
    total = np.zeros(points.shape[1], np.float32)
    for octave in range(octaves):
        total += 0.5**octave * solid(points * 2.0**octave + 17.3 * octave)
    return total
