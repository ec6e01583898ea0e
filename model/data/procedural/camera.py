"""What happens between a lit surface and a stored photograph."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from model.data.procedural.noise import Image, smooth_noise, uniform


def illuminate(rng: np.random.Generator, image: Image) -> Image:
    """Uneven light: a fall-off across the field, a vignette and a soft hot spot."""
    side, angle = len(image), uniform(rng, 0, 6.3)
    axis = np.linspace(-1, 1, side, dtype=np.float32)
    ramp = axis[None, :] * math.cos(angle) + axis[:, None] * math.sin(angle)
    corner = axis[None, :] ** 2 + axis[:, None] ** 2
    level = ramp * uniform(rng, 0, 0.3) - corner * uniform(rng, 0, 0.2)
    level = level + smooth_noise(rng, side, side / 2) * uniform(rng, 0, 0.08) + rng.normal(0, 0.12)
    white_balance = rng.normal(1, 0.04, 3).astype(np.float32)
    gain = np.exp(level, dtype=np.float32)[..., None] * white_balance
    return np.asarray(image * gain, np.float32)


def expose(rng: np.random.Generator, image: Image) -> NDArray[np.uint8]:
    """Lens blur, sensor noise and JPEG, to uint8 (side, side, 3)."""
    blur = uniform(rng, 0, 1.1)
    if blur > 0.35:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), blur), np.float32)
    noise = rng.standard_normal(image.shape[:2], dtype=np.float32)
    noise *= np.float32(uniform(rng, 0.002, 0.035))
    image = image + noise[..., None]
    pixels = np.clip(image * 255, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        return pixels
    quality = int(rng.integers(35, 96))
    _, stored = cv2.imencode(".jpg", pixels, (cv2.IMWRITE_JPEG_QUALITY, quality))
    return np.asarray(cv2.imdecode(stored, cv2.IMREAD_COLOR), np.uint8)
