"""Photograph-like pictures to measure with: a disc on noisy ground, no two alike."""

import io
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

HEIGHT, WIDTH = 480, 640
OBJECT_SHARE = 0.1
_COARSE = 8
_NOISE = 8.0
_QUALITY = 90


class Picture(NamedTuple):
    """The files of an image and of the mask of the disc in it."""

    jpeg: bytes
    mask_png: bytes


def pictures(rng: np.random.Generator) -> Iterator[Picture]:
    """Pictures without end."""
    radius = (OBJECT_SHARE * HEIGHT * WIDTH / np.pi) ** 0.5
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    while True:
        row = rng.uniform(radius, HEIGHT - radius)
        column = rng.uniform(radius, WIDTH - radius)
        mask = np.hypot(rows - row, columns - column) < radius
        yield Picture(_jpeg(_ground(rng), mask, rng), _png(mask))


def _ground(rng: np.random.Generator) -> NDArray[np.float64]:
    coarse = rng.uniform(60, 160, (_COARSE, _COARSE, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((WIDTH, HEIGHT)), np.float64)


def _jpeg(ground: NDArray[np.float64], mask: NDArray[np.bool_], rng: np.random.Generator) -> bytes:
    ground = ground + rng.normal(0, _NOISE, ground.shape)  # (H, W, 3)
    ground[mask] += (90, 40, -60)
    return _file(Image.fromarray(ground.clip(0, 255).astype(np.uint8)), "JPEG", quality=_QUALITY)


def _png(mask: NDArray[np.bool_]) -> bytes:
    return _file(Image.fromarray(mask.astype(np.uint8) * np.uint8(255)), "PNG")


def _file(image: Image.Image, kind: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
