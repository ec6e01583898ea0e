"""Small pictures with a known answer: a coloured rectangle on a noisy ground."""

from io import BytesIO
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

RED = (210, 40, 40)
BLUE = (40, 60, 210)
GREEN = (60, 130, 60)


class Picture(NamedTuple):
    """Pixels (H, W, 3) and where the object is (H, W)."""

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]

    @property
    def image_png(self) -> bytes:
        return png(self.image)

    @property
    def mask_png(self) -> bytes:
        return png(self.mask.astype(np.uint8) * 255)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """PNG bytes of grey (H, W) or RGB (H, W, 3) pixels."""
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def picture(
    colour: tuple[int, int, int] = RED,
    *,
    height: int = 120,
    width: int = 160,
    box: tuple[int, int, int, int] = (30, 40, 60, 80),
    seed: int = 0,
) -> Picture:
    """A rectangle at `box` (top, left, height, width) of a colour on green noise."""
    noise = np.random.default_rng(seed).integers(-10, 10, (height, width, 3))
    top, left, box_height, box_width = box
    mask = np.zeros((height, width), np.bool_)
    mask[top : top + box_height, left : left + box_width] = True
    ground = np.where(mask[..., None], colour, GREEN)
    return Picture((ground + noise).clip(0, 255).astype(np.uint8), mask)


def iou(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Intersection over union of two masks."""
    return float((first & second).sum() / (first | second).sum())


def with_alpha(mode: str, alpha: np.ndarray) -> Image.Image:
    """A picture of one colour, whose alpha is given."""
    image = Image.new(mode, alpha.shape[::-1], "blue")
    image.putalpha(Image.fromarray(alpha))
    return image
