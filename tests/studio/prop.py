"""Things a ray can hit: solids given by a distance, and flat grounds with a relief."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np

from tests.studio.field import Field
from tests.studio.lights import FAR
from tests.studio.shading import Skin
from tests.studio.vectors import Bool, Float, normalize, vector


class Hits(NamedTuple):
    """What N points of a prop look like, in world coordinates."""

    normal: Float  # (3, N) of the shape itself, for offsets and shadow tests
    skin: Skin


class Prop(Protocol):
    """Anything in a scene; `label` names the class it belongs to, if any."""

    @property
    def label(self) -> str | None: ...

    def intersect(self, origin: Float, direction: Float, nearest: Float) -> Float:
        """Distance (N,) along unit directions, FAR where nothing lies before `nearest` (N,)."""

    def look(self, points: Float) -> Hits:
        """Normal and skin at surface points (3, N)."""

    def marked(self, points: Float) -> Bool:
        """Which surface points (N,) belong to the class named by `label`."""


class Shape(NamedTuple):
    """A solid in its own frame: distance, half extents of its box about `centre`, and its skin."""

    distance: Callable[[Float], Float]
    centre: tuple[float, float, float]
    half: tuple[float, float, float]
    skin: Callable[[Float, Float], Skin]


@dataclass(frozen=True)
class Solid:
    """A shape placed in the scene: position, orientation (3, 3) and size."""

    shape: Shape
    position: Float  # (3, 1)
    rotation: Float  # (3, 3), columns are the shape's axes in the world
    scale: float = 1.0
    label: str | None = None

    def _local(self, points: Float) -> Float:
        return np.asarray(self.rotation.T @ (points - self.position) / self.scale, np.float32)

    def intersect(self, origin: Float, direction: Float, nearest: Float) -> Float:
        """Sphere tracing of the rays that meet the box of the shape; see `Prop`."""
        start = self._local(origin)
        heading = np.asarray(self.rotation.T @ direction, np.float32)
        enter, leave = self._box_span(start, heading)
        result = np.full(start.shape[1], FAR, np.float32)
        (rays,) = np.nonzero((enter < leave) & (enter * self.scale < nearest))
        if len(rays):
            result[rays] = self._field.march(
                start[:, rays], heading[:, rays], enter[rays], leave[rays]
            )
        return np.asarray(np.where(result < FAR, result * self.scale, result))

    def _box_span(self, start: Float, heading: Float) -> tuple[Float, Float]:
        inverse = 1 / np.where(np.abs(heading) > 1e-7, heading, np.float32(1e-7))
        middle = (vector(*self.shape.centre) - start) * inverse
        reach = np.abs(inverse) * vector(*self.shape.half)
        return np.maximum((middle - reach).max(axis=0), 0), (middle + reach).min(axis=0)

    @cached_property
    def _field(self) -> Field:
        return Field.around(self.shape.distance, self.shape.centre, self.shape.half)

    def look(self, points: Float) -> Hits:
        """See `Prop`."""
        local = self._local(points)
        normal = self._gradient(local)
        skin = self.shape.skin(local, normal)
        shading = np.asarray(self.rotation @ skin.normal, np.float32)
        return Hits(np.asarray(self.rotation @ normal, np.float32), skin._replace(normal=shading))

    def _gradient(self, local: Float) -> Float:
        # Four samples on a tetrahedron give the gradient with less bias than six on the axes.
        corners = ((1.0, -1.0, -1.0), (-1.0, -1.0, 1.0), (-1.0, 1.0, -1.0), (1.0, 1.0, 1.0))
        total = np.zeros_like(local)
        for corner in corners:
            offset = vector(*corner)
            total += offset * self.shape.distance(local + offset * 2e-3)
        return normalize(total)

    def marked(self, points: Float) -> Bool:
        """Every point of a labelled solid; see `Prop`."""
        return np.full(points.shape[1], self.label is not None)
