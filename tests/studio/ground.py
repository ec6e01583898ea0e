"""A flat ground with maps of colour, roughness and relief; rays meet its true height."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.studio.lights import FAR
from tests.studio.noise import slopes
from tests.studio.prop import Hits
from tests.studio.shading import Skin
from tests.studio.vectors import Bool, Float, normalize, vector

_RELIEF_STEPS = 28


class Maps(NamedTuple):
    """A patch of surface, row 0 at the smallest y: what it looks like everywhere.

    albedo: (H, W, 3) linear. roughness: (H, W, 2) along x and along y. metallic: (H, W).
    height: (H, W) relief in world units, at most 0. defect: (H, W) bool.
    """

    albedo: Float
    roughness: Float
    metallic: Float
    height: Float
    defect: Bool


@dataclass(frozen=True)
class Ground:
    """A square patch of maps, `extent` wide, centred on `centre` (3, 1), spanned by two axes.

    Outside the patch the maps are mirrored. `relief` is how deep rays look for the surface;
    at 0 the height only bends the normal.
    """

    maps: Maps
    extent: float
    slope: Float  # (H, W, 2)
    axes: Float  # (3, 3), columns: x of the maps, y of the maps, normal
    centre: Float  # (3, 1)
    relief: float = 0.0
    label: str | None = None

    def intersect(self, origin: Float, direction: Float, nearest: Float) -> Float:
        """Plane intersection, then a march down into the relief; see `Prop`."""
        start = np.asarray(self.axes.T @ (origin - self.centre), np.float32)
        heading = np.asarray(self.axes.T @ direction, np.float32)
        fall = np.where(heading[2] < -1e-5, heading[2], np.float32(-1e-5))
        t = -start[2] / fall
        # A ray from inside the relief starts below the plane; only its way up is left to it.
        inside = start[2] < 0
        top = np.where(inside, np.float32(0), t)
        met = (heading[2] < -1e-5) & (top < nearest) & (~inside | (self.relief > 0))
        if self.relief == 0:
            return np.where(met, top, np.float32(FAR))
        met |= inside
        result = np.full(start.shape[1], FAR, np.float32)
        (rays,) = np.nonzero(met)
        if len(rays):
            result[rays] = self._descend(start[:, rays], heading[:, rays], top[rays])
        return result

    def _descend(self, start: Float, heading: Float, top: Float) -> Float:
        goal = np.where(heading[2] < 0, np.float32(-self.relief), np.float32(0))
        steep = np.where(np.abs(heading[2]) > 1e-4, heading[2], np.float32(1e-4))
        step = np.minimum(np.abs((goal - start[2] - heading[2] * top) / steep), 4 * self.relief)
        step = step / _RELIEF_STEPS
        low = top + step * 0.02
        result = np.full(len(top), FAR, np.float32)
        for _ in range(_RELIEF_STEPS + 1):
            point = start + heading * low
            below = (point[2] <= self._at(self.maps.height, point) + 1e-5) & (result == FAR)
            result[below] = low[below]
            low = low + step
        return self._refine(start, heading, result, step)

    def _refine(self, start: Float, heading: Float, found: Float, step: Float) -> Float:
        (rays,) = np.nonzero(found < FAR)
        start, heading = start[:, rays], heading[:, rays]
        high, width = found[rays], step[rays]
        for _ in range(4):
            width = width * 0.5
            point = start + heading * (high - width)
            below = point[2] <= self._at(self.maps.height, point)
            high = np.where(below, high - width, high)
        found[rays] = np.maximum(high, 0)
        return found

    def look(self, points: Float) -> Hits:
        """See `Prop`."""
        local = np.asarray(self.axes.T @ (points - self.centre), np.float32)
        slope_x, slope_y = self._at(self.slope, local)
        bumped = normalize(np.stack([-slope_x, -slope_y, np.ones_like(slope_x)]))
        normal = np.asarray(self.axes @ bumped, np.float32)
        flat = np.broadcast_to(self.axes[:, 2:], points.shape).astype(np.float32)
        skin = Skin(
            self._at(self.maps.albedo, local),
            self._at(self.maps.roughness, local),
            self._at(self.maps.metallic, local),
            normal,
        )
        return Hits(normal if self.relief > 0 else flat, skin)

    def marked(self, points: Float) -> Bool:
        """Points on the defects of the maps; see `Prop`."""
        local = np.asarray(self.axes.T @ (points - self.centre), np.float32)
        rows, columns = self._cells(local)
        return np.asarray(self.maps.defect[rows, columns])

    def _cells(self, local: Float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        height, width = self.maps.height.shape
        return (
            _mirrored(local[1] / self.extent + 0.5, height),
            _mirrored(local[0] / self.extent + 0.5, width),
        )

    def _at(self, values: Float, local: Float) -> Float:
        """The map's value (N,) or (channels, N) at local points."""
        rows, columns = self._cells(local)
        return np.ascontiguousarray(values[rows, columns].T)


def _mirrored(position: Float, count: int) -> NDArray[np.int64]:
    """Cell of each position, one patch a unit, every other patch mirrored."""
    cell = np.floor(position * count).astype(np.int64) % (2 * count)
    return np.minimum(cell, 2 * count - 1 - cell)


def lay(maps: Maps, extent: float, *, relief: float = 0.0, label: str | None = None) -> Ground:
    """A ground in the plane z = 0."""
    spacing = extent / maps.height.shape[0]
    axes = np.eye(3, dtype=np.float32)
    slope = slopes(maps.height, spacing)
    return Ground(maps, extent, slope, axes, vector(0, 0, 0), relief, label)


def hang(maps: Maps, extent: float, distance: float, azimuth_degrees: float) -> Ground:
    """A wall, upright, `distance` from the origin in direction `azimuth_degrees`, facing it."""
    angle = np.deg2rad(azimuth_degrees)
    out = np.array([np.cos(angle), np.sin(angle), 0])
    up = np.array([0.0, 0.0, 1.0])
    axes = np.stack([np.cross(up, -out), up, -out], axis=1).astype(np.float32)
    centre = (distance * out)[:, None].astype(np.float32)
    return Ground(maps, extent, slopes(maps.height, extent / len(maps.height)), axes, centre)
