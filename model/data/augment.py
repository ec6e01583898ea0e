"""Views of a labelled image that are made once and cached: crop, rotation, colour, blur and noise.

Where nothing is cached, `model.training.augmentation` makes changes of the same ranges to batches
on the device instead.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from model.contract import resize_image
from model.data import augment_ranges as ranges
from model.data.datasets import IGNORE

# Only cached views get noise.
_NOISE_CHANCE = 0.25
_NOISE_SIGMA = (2, 8)  # of 255


class View(NamedTuple):
    """image: (S, S, 3) uint8 RGB. label: (L, L) class indices at the label side."""

    image: NDArray[np.uint8]
    label: NDArray[np.uint8]


def plain_view(
    image: NDArray[np.uint8], label: NDArray[np.uint8], *, side: int, label_side: int
) -> View:
    """The whole image, squashed as in serving."""
    return View(resize_image(image, side), resize_label(label, label_side))


def random_view(
    image: NDArray[np.uint8],
    label: NDArray[np.uint8],
    rng: np.random.Generator,
    *,
    side: int,
    label_side: int,
    min_scale: float = ranges.MIN_SCALE,
) -> View:
    """A random crop that keeps some label; rotated, recoloured, blurred by `augment_ranges`."""
    rotated_image, rotated_label = _rotate(
        image, label, float(rng.uniform(-ranges.ROTATION, ranges.ROTATION))
    )
    rows, columns = _crop(rotated_label, rng, min_scale)
    cropped = np.ascontiguousarray(rotated_image[rows, columns])
    view = plain_view(
        cropped,
        np.ascontiguousarray(rotated_label[rows, columns]),
        side=side,
        label_side=label_side,
    )
    return View(_colour(view.image, rng), view.label)


def resize_label(label: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Squash a label map (H, W) of class indices to (side, side), to the nearest."""
    return np.asarray(
        cv2.resize(label, (side, side), interpolation=cv2.INTER_NEAREST_EXACT), dtype=np.uint8
    )


def _rotate(
    image: NDArray[np.uint8], label: NDArray[np.uint8], degrees: float
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    height, width = label.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    turned = cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    turned_label = cv2.warpAffine(
        label, matrix, (width, height), flags=cv2.INTER_NEAREST, borderValue=(IGNORE,)
    )
    return np.asarray(turned, np.uint8), np.asarray(turned_label, np.uint8)


def _crop(
    label: NDArray[np.uint8], rng: np.random.Generator, min_scale: float
) -> tuple[slice, slice]:
    """A window around a random labelled pixel, so that crops of small objects are not empty."""
    height, width = label.shape
    scale = np.sqrt(rng.uniform(min_scale, 1.0))
    aspect = np.exp(rng.uniform(-ranges.LOG_ASPECT, ranges.LOG_ASPECT))
    crop_height = max(1, min(height, round(height * scale * aspect)))
    crop_width = max(1, min(width, round(width * scale / aspect)))
    ys, xs = np.nonzero((label > 0) & (label != IGNORE))
    if len(ys):
        at = int(rng.integers(len(ys)))
        centre_y, centre_x = int(ys[at]), int(xs[at])
    else:
        centre_y, centre_x = height // 2, width // 2
    place_y, place_x = rng.uniform(*ranges.ANCHOR), rng.uniform(*ranges.ANCHOR)
    top = int(np.clip(centre_y - place_y * crop_height, 0, height - crop_height))
    left = int(np.clip(centre_x - place_x * crop_width, 0, width - crop_width))
    return slice(top, top + crop_height), slice(left, left + crop_width)


def _colour(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Brightness, contrast, saturation and white balance; sometimes grey, blur or noise."""
    pixels = image.astype(np.float32)
    grey = pixels.mean(axis=2, keepdims=True)
    saturation = 0.0 if rng.random() < ranges.GREY_CHANCE else _factor(rng, ranges.SATURATION)
    pixels = grey + (pixels - grey) * saturation
    contrast = _factor(rng, ranges.CONTRAST)
    brightness = rng.uniform(-ranges.BRIGHTNESS, ranges.BRIGHTNESS)
    pixels = (pixels - 128) * contrast + 128 + brightness
    pixels *= rng.uniform(1 - ranges.BALANCE, 1 + ranges.BALANCE, size=3).astype(np.float32)
    if rng.random() < ranges.BLUR_CHANCE:
        pixels = cv2.GaussianBlur(pixels, (0, 0), float(rng.uniform(*ranges.BLUR_SIGMA)))
    if rng.random() < _NOISE_CHANCE:
        pixels = pixels + rng.normal(0, rng.uniform(*_NOISE_SIGMA), pixels.shape).astype(np.float32)
    return np.asarray(np.clip(pixels, 0, 255), dtype=np.uint8)


def _factor(rng: np.random.Generator, strength: float) -> float:
    return rng.uniform(1 - strength, 1 + strength)
