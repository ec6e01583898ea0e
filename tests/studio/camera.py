"""A camera with a thin lens, and what sensor and processing make of the light."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.studio.stage import Rays
from tests.studio.vectors import Float, cross, normalize, vector

_SENSOR_GAIN = 2400.0  # photo-electrons of a pixel at white: sets the shot noise
_READ_NOISE = 0.0016


@dataclass(frozen=True)
class Camera:
    """Position, aim, vertical field of view (degrees), lens radius, and what lies in focus."""

    eye: tuple[float, float, float]
    target: tuple[float, float, float]
    view_degrees: float = 32.0
    lens: float = 0.06
    focus: tuple[float, float, float] | None = None
    roll_degrees: float = 0.0

    def rays(
        self, rows: Float, columns: Float, shape: tuple[int, int], random: np.random.Generator
    ) -> Rays:
        """Rays through image positions (N,) in pixels, spread over the lens."""
        eye, forward, right, up = self._axes()
        scale = float(np.tan(np.deg2rad(self.view_degrees) / 2)) / (shape[0] / 2)
        x, y = (columns - shape[1] / 2) * scale, (shape[0] / 2 - rows) * scale
        heading = forward + right * x + up * y
        sharp = vector(*(self.focus or self.target)) - eye
        reach = float((sharp * forward).sum())
        u, v = random.random((2, len(rows)), dtype=np.float32)
        radius, angle = self.lens * np.sqrt(u), 2 * np.pi * v
        offset = right * (radius * np.cos(angle)) + up * (radius * np.sin(angle))
        origin = np.asarray(eye + offset, np.float32)
        return Rays(origin, normalize(np.asarray(eye + heading * reach - origin, np.float32)))

    def _axes(self) -> tuple[Float, Float, Float, Float]:
        eye = vector(*self.eye)
        forward = normalize(vector(*self.target) - eye)
        side = normalize(cross(forward, vector(0.0, 1e-4, 1.0)))
        up = cross(side, forward)
        angle = np.deg2rad(self.roll_degrees)
        sine, cosine = float(np.sin(angle)), float(np.cos(angle))
        return eye, forward, side * cosine + up * sine, up * cosine - side * sine


def develop(light: Float, random: np.random.Generator, *, exposure: float) -> NDArray[np.uint8]:
    """A photograph (H, W, 3), sRGB, of linear light: glare, vignette, grain, film curve."""
    exposed = light * exposure
    glare = cv2.GaussianBlur(np.maximum(exposed - 1.0, 0), (0, 0), light.shape[0] / 40)
    exposed = (exposed + 0.25 * glare) * _vignette(light.shape[:2])[..., None]
    exposed = cv2.GaussianBlur(exposed, (0, 0), 0.55)
    grain = random.standard_normal(exposed.shape).astype(np.float32)
    # Demosaicing correlates neighbouring noise; white grain looks like none a camera makes.
    grain = 1.5 * cv2.GaussianBlur(grain, (0, 0), 0.6)
    noisy = exposed + grain * np.sqrt(np.maximum(exposed, 0) / _SENSOR_GAIN + _READ_NOISE**2)
    return _encoded(_film(np.maximum(noisy, 0)))


def _vignette(shape: tuple[int, int]) -> Float:
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    y, x = (rows - shape[0] / 2) / shape[1], (columns - shape[1] / 2) / shape[1]
    return np.asarray(1 / (1 + 1.1 * (x * x + y * y)) ** 2, np.float32)


def _film(light: Float) -> Float:
    """Filmic curve (fit by Narkowicz of the ACES reference transform)."""
    light = light * 0.72
    curve = light * (2.51 * light + 0.03) / (light * (2.43 * light + 0.59) + 0.14)
    return np.asarray(np.clip(curve, 0, 1))


def _encoded(linear: Float) -> NDArray[np.uint8]:
    low, high = linear * 12.92, 1.055 * np.maximum(linear, 1e-6) ** (1 / 2.4) - 0.055
    return np.asarray(np.where(linear < 0.0031308, low, high) * 255 + 0.5).astype(np.uint8)
