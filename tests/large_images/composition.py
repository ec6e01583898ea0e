"""Large images composed of real pictures: surfaces with defects, photographs with small objects."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.large_images.pictures import Labelled

HEIGHT, WIDTH = 3000, 4000  # 12 megapixels
_FADE = 16  # pixels over which neighbours are blended, so that no seam looks like a defect


def extent(mask: NDArray[np.bool_]) -> int:
    """The longer side of the largest connected part, in pixels."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    largest = stats[1:][stats[1:, cv2.CC_STAT_AREA].argmax()]
    return int(max(largest[cv2.CC_STAT_WIDTH], largest[cv2.CC_STAT_HEIGHT]))


def surface(
    rng: np.random.Generator, clean: Sequence[Labelled], defects: Sequence[Labelled]
) -> Labelled:
    """A surface of clean pictures at their own scale, with some that have a defect laid over it."""
    ground = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    top = 0
    while top < HEIGHT:
        left, bottom = 0, HEIGHT + _FADE
        while left < WIDTH:
            picture = clean[int(rng.integers(len(clean)))].image
            _lay(ground, picture, top, left)
            bottom, left = min(bottom, top + len(picture)), left + picture.shape[1] - _FADE
        top = bottom - _FADE
    columns = rng.permutation(np.linspace(0, WIDTH - 401, len(defects)).astype(int))
    rows = np.linspace(0, HEIGHT - 401, len(defects)).astype(int)
    for defect, top, left in zip(defects, rows.tolist(), columns.tolist(), strict=True):
        _lay(ground, defect.image, top, left)
        height, width = defect.mask.shape
        mask[top : top + height, left : left + width] = defect.mask
    return Labelled(ground.round().astype(np.uint8), mask, np.zeros_like(mask))


def scattered(
    rng: np.random.Generator, ground: Labelled, objects: Sequence[Labelled], side: int
) -> Labelled:
    """A photograph enlarged to 12 megapixels, with objects whose longer side is `side` pixels."""
    image = cv2.resize(ground.image, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    for each in objects:
        part, cut = _scaled(each, side / extent(each.mask))
        height, width = cut.shape
        top = int(rng.integers(HEIGHT - height))
        left = int(rng.integers(WIDTH - width))
        box = np.s_[top : top + height, left : left + width]
        image[box][cut] = part[cut]
        mask[box] |= cut
    return Labelled(np.asarray(image, np.uint8), mask, np.zeros_like(mask))


def enlarged(each: Labelled) -> Labelled:
    """The whole photograph at 12 megapixels: a large object in a large image."""
    scale = (HEIGHT * WIDTH / each.mask.size) ** 0.5
    size = (round(each.mask.shape[1] * scale), round(each.mask.shape[0] * scale))
    image = cv2.resize(each.image, size, interpolation=cv2.INTER_CUBIC)
    masks = (
        cv2.resize(mask.view(np.uint8), size, interpolation=cv2.INTER_NEAREST).astype(np.bool_)
        for mask in (each.mask, each.ignored)
    )
    return Labelled(np.asarray(image, np.uint8), *masks)


def _scaled(each: Labelled, scale: float) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The part of a picture that holds the object, and the object, both resized."""
    left, top, width, height = cv2.boundingRect(each.mask.astype(np.uint8))
    box = np.s_[top : top + height, left : left + width]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    part = cv2.resize(each.image[box], size, interpolation=cv2.INTER_AREA)
    share = cv2.resize(each.mask[box].astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return np.asarray(part, np.uint8), np.asarray(share >= 0.5)


def _lay(ground: NDArray[np.float32], picture: NDArray[np.uint8], top: int, left: int) -> None:
    """Draw a picture; its border fades into what is there already."""
    height = min(len(picture), HEIGHT - top)
    width = min(picture.shape[1], WIDTH - left)
    ramps = [
        np.clip(np.minimum(np.arange(n) + 1, np.arange(n)[::-1] + 1) / _FADE, 0, 1)
        for n in picture.shape[:2]
    ]
    share = np.outer(*ramps)[:height, :width, None]
    box = np.s_[top : top + height, left : left + width]
    bare = ground[box].sum(axis=2, keepdims=True) == 0
    share = np.where(bare, 1, share)
    ground[box] = ground[box] * (1 - share) + picture[:height, :width] * share
