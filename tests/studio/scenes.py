"""Building blocks of a picture: where things stand, how they are lit, from where they are seen."""

import numpy as np

from tests.studio.lights import Room, Softbox, softbox
from tests.studio.prop import Shape, Solid
from tests.studio.vectors import Float, vector

PIT = "pit"
DUCK = "duck"


def place(
    shape: Shape,
    x: float,
    y: float,
    z: float = 0.0,
    *,
    yaw: float = 0.0,
    pitch: float = 0.0,
    roll: float = 0.0,
    scale: float = 1.0,
    label: str | None = None,
) -> Solid:
    """Put a shape's origin at (x, y, z), turned about its x, then y, then z axis, in degrees."""
    rotation = _about(2, yaw) @ _about(1, pitch) @ _about(0, roll)
    return Solid(shape, vector(x, y, z), rotation.astype(np.float32), scale, label)


def _about(axis: int, degrees: float) -> Float:
    angle = np.deg2rad(degrees)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    rotation = np.eye(3)
    rotation[first, first] = rotation[second, second] = np.cos(angle)
    rotation[first, second], rotation[second, first] = -np.sin(angle), np.sin(angle)
    return np.asarray(rotation)


def daylight(strength: float = 1.0, azimuth: float = 2.2) -> Room:
    """A room with a window to one side."""
    return Room(
        vector(0.1, 0.08, 0.06) * strength,
        vector(0.34, 0.33, 0.32) * strength,
        vector(0.55, 0.57, 0.6) * strength,
        vector(3.6, 3.9, 4.3) * strength,
        azimuth,
    )


def evening(strength: float = 1.0) -> Room:
    """A dim, warm room whose window is nearly dark."""
    return Room(
        vector(0.06, 0.035, 0.02) * strength,
        vector(0.16, 0.11, 0.07) * strength,
        vector(0.2, 0.15, 0.1) * strength,
        vector(0.5, 0.6, 0.9) * strength,
        0.6,
    )


def workshop(strength: float = 1.0, azimuth: float = 1.2) -> Room:
    """A hall with neutral walls, for metal to reflect."""
    return Room(
        vector(0.07, 0.07, 0.07) * strength,
        vector(0.22, 0.23, 0.25) * strength,
        vector(0.5, 0.52, 0.55) * strength,
        vector(1.3, 1.4, 1.5) * strength,
        azimuth,
    )


def key(
    x: float, y: float, z: float, *, size: float = 3.0, power: float = 13.0, warmth: float = 0.0
) -> Softbox:
    """A square softbox at (x, y, z) towards the origin; warmth -1 (blue) to 1 (lamp light)."""
    tint = (1 + 0.25 * warmth, 1.0, 1 - 0.45 * warmth)
    return softbox(
        (x, y, z), (0, 0, 0.5), (size, size), (power * tint[0], power * tint[1], power * tint[2])
    )
