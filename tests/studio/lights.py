"""What shines: rectangular softboxes, and the room around the scene."""

from dataclasses import dataclass

import numpy as np

from tests.studio.vectors import Float, cross, dot, length, normalize, smoothstep, vector

FAR = 1e6


@dataclass(frozen=True)
class Softbox:
    """A rectangle that shines on the side its normal faces, evenly, with `radiance` (3, 1)."""

    centre: Float  # (3, 1)
    half_u: Float  # (3, 1)
    half_v: Float  # (3, 1)
    radiance: Float  # (3, 1)

    @property
    def normal(self) -> Float:
        """Unit normal (3, 1) of the shining side."""
        return normalize(cross(self.half_u, self.half_v))

    def points(self, u: Float, v: Float) -> Float:
        """Points (3, N) of the rectangle for u, v (N,) in 0..1."""
        return self.centre + self.half_u * (2 * u - 1) + self.half_v * (2 * v - 1)

    def irradiance(self, offset: Float) -> Float:
        """Unshadowed light (3, N) per cosine, `offset` (3, N) from the receiver to the softbox."""
        distance = length(offset)
        facing = np.maximum(-dot(offset, self.normal) / distance, 0)
        area = 4 * float(length(cross(self.half_u, self.half_v))[0])
        return np.asarray(self.radiance * (area * facing / (distance * distance)))

    def hit(self, origin: Float, direction: Float) -> Float:
        """Distance (N,) to the shining side along each ray; FAR where it is missed."""
        slope = dot(direction, self.normal)
        away = dot(self.centre - origin, self.normal)
        distance = away / np.where(np.abs(slope) > 1e-6, slope, np.float32(1e-6))
        local = origin + direction * distance - self.centre
        u = np.abs(dot(local, self.half_u)) / dot(self.half_u, self.half_u)
        v = np.abs(dot(local, self.half_v)) / dot(self.half_v, self.half_v)
        seen = (slope < 0) & (distance > 0) & (u < 1) & (v < 1)
        return np.where(seen, distance, np.float32(FAR))


def softbox(
    centre: tuple[float, float, float],
    target: tuple[float, float, float],
    size: tuple[float, float],
    radiance: tuple[float, float, float],
) -> Softbox:
    """A softbox of `size` (width, height) at `centre` that faces `target`."""
    toward = normalize(vector(*target) - vector(*centre))
    side = normalize(cross(toward, vector(0.0, 0.0, 1.0) + 1e-4))
    up = cross(side, toward)
    # The normal is half_u x half_v, which must point at the target.
    return Softbox(vector(*centre), up * (size[1] / 2), side * (size[0] / 2), vector(*radiance))


@dataclass(frozen=True)
class Room:
    """Light from far away: floor, wall and ceiling tones (3, 1), and a bright window."""

    ground: Float
    wall: Float
    ceiling: Float
    window: Float
    window_azimuth: float = 2.2

    def radiance(self, direction: Float) -> Float:
        """Light (3, N) that arrives from unit directions (3, N)."""
        elevation = direction[2]
        upper = self.wall + (self.ceiling - self.wall) * smoothstep(0.1, 0.9, elevation)
        tone = self.ground + (upper - self.ground) * smoothstep(-0.25, 0.05, elevation)
        azimuth = np.arctan2(direction[1], direction[0]) - self.window_azimuth
        azimuth = np.abs((azimuth + np.pi) % (2 * np.pi) - np.pi)
        # Two panes: a window with a post and a crossbar is what makes glaze look like glaze.
        panes = smoothstep(0.5, 0.47, azimuth) * smoothstep(0.015, 0.03, azimuth)
        rows = smoothstep(0.1, 0.13, elevation) * smoothstep(0.72, 0.68, elevation)
        rows = rows * smoothstep(0.012, 0.025, np.abs(elevation - 0.42))
        return np.asarray(tone + self.window * (panes * rows), np.float32)
