"""Random fields that textures and defects are made of. Fields are float32 (side, side).

Images are float32 (side, side, 3) in about [0, 1]; a painted defect is an image and its coverage.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
Image = NDArray[np.float32]
Painted = tuple[Image, Field]


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """One number from [low, high)."""
    return float(rng.uniform(low, high))


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """One number from [low, high), equally likely in every octave."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def grain(rng: np.random.Generator, side: int, blur: float = 0.0) -> Field:
    """Independent normal pixels, or, blurred by `blur` pixels, of unit deviation again."""
    field = rng.standard_normal((side, side), dtype=np.float32)
    if blur <= 0:
        return field
    blurred = cv2.GaussianBlur(field, (0, 0), blur)
    return np.asarray(blurred / max(float(blurred.std()), 1e-6), np.float32)


def smooth_noise(rng: np.random.Generator, side: int, cell: float) -> Field:
    """Normal noise that changes over about `cell` pixels."""
    cells = max(2, int(side / max(cell, 1.0)) + 2)
    coarse = rng.standard_normal((cells, cells), dtype=np.float32)
    return np.asarray(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC), np.float32)


def fractal_noise(
    rng: np.random.Generator, side: int, cell: float, octaves: int = 4, gain: float = 0.55
) -> Field:
    """Octaves of smooth noise, the coarsest of `cell` pixels, of about unit deviation."""
    total = np.zeros((side, side), np.float32)
    for octave in range(octaves):
        total += smooth_noise(rng, side, cell / 2**octave) * np.float32(gain**octave)
    return np.asarray(total / max(float(total.std()), 1e-6), np.float32)


def streaks(rng: np.random.Generator, side: int, length: float, width: float = 0.0) -> Field:
    """Noise drawn out along x over `length` pixels, of unit deviation."""
    white = rng.standard_normal((side, side), dtype=np.float32)
    drawn = cv2.blur(white, (max(3, int(length)) | 1, 1))
    if width > 0:
        drawn = cv2.GaussianBlur(drawn, (1, 0), sigmaX=0.01, sigmaY=width)
    return np.asarray(drawn / max(float(drawn.std()), 1e-6), np.float32)


def relief(height: Field, light: float) -> Field:
    """Brightness of a height field lit from direction `light` (radians): its slope that way."""
    slope_x = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3, scale=0.125)
    slope_y = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3, scale=0.125)
    return np.asarray(slope_x * math.cos(light) + slope_y * math.sin(light), np.float32)


def displace(image: NDArray[np.float32], shift_y: Field, shift_x: Field) -> NDArray[np.float32]:
    """Read every pixel of an image or field from (y + shift_y, x + shift_x), mirrored outside."""
    side = image.shape[0]
    axis = np.arange(side, dtype=np.float32)
    moved = cv2.remap(
        image,
        axis[None, :] + shift_x,
        axis[:, None] + shift_y,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return np.asarray(moved, np.float32)


def blend(image: Image, paint: Image | NDArray[np.float32], alpha: Field) -> Image:
    """Paint over an image (side, side, 3) where alpha (side, side) says so."""
    return np.asarray(image + (paint - image) * alpha[..., None], np.float32)
