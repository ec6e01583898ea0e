"""A coarse grid of safe steps around a solid: rays need its exact distance only close by."""

from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np

from tests.studio.lights import FAR
from tests.studio.vectors import Bool, Float, vector

_CELLS = 64
_MARCH_STEPS = 160  # rays that graze a crease need many; a crease must not show a slit
_DAMPING = 0.9  # distances of ellipsoids and blends are of first order only
_TOUCHING = 8e-4


class Field(NamedTuple):
    """For each cell of a box, how far any ray inside it may go without meeting the solid."""

    distance: Callable[[Float], Float]
    corner: Float  # (3, 1) of the box
    per_unit: Float  # (3, 1) cells a unit of length
    safe: Float  # (cells^3,), x slowest
    near: float  # below this the exact distance is asked

    @classmethod
    def around(
        cls,
        distance: Callable[[Float], Float],
        centre: tuple[float, float, float],
        half: tuple[float, float, float],
    ) -> Self:
        """Sample a distance over the box of half extents `half` about `centre`."""
        corner, size = vector(*centre) - vector(*half), 2 * vector(*half)
        index = np.indices((_CELLS,) * 3, dtype=np.float32).reshape(3, -1)
        sampled = distance(corner + (index + 0.5) * (size / _CELLS))
        reach = 0.5 * float(np.linalg.norm(size)) / _CELLS
        return cls(distance, corner, _CELLS / size, _DAMPING * sampled - reach, 0.4 * reach)

    def march(self, start: Float, heading: Float, enter: Float, leave: Float) -> Float:
        """Distance (N,) to the solid on each ray between `enter` and `leave`, or FAR."""
        result = np.full(len(enter), FAR, np.float32)
        alive, t = np.arange(len(enter)), enter.copy()
        for _ in range(_MARCH_STEPS):
            step, hit = self._step(start + heading * t)
            result[alive[hit]] = t[hit]
            t = t + step
            keep = ~hit & (t < leave)
            alive, t, leave = alive[keep], t[keep], leave[keep]
            if not len(alive):
                break
            start, heading = start[:, keep], heading[:, keep]
        return result

    def _step(self, points: Float) -> tuple[Float, Bool]:
        cell = ((points - self.corner) * self.per_unit).astype(np.int32)
        x, y, z = np.clip(cell, 0, _CELLS - 1)
        step = self.safe[(x * _CELLS + y) * _CELLS + z]
        hit = np.zeros(len(step), np.bool_)
        (close,) = np.nonzero(step < self.near)
        exact = self.distance(points[:, close])
        hit[close] = exact < _TOUCHING
        step[close] = exact * _DAMPING
        return step, hit
