"""Logits of one image to one label a pixel, and the figures of each class."""

import base64
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.contract import upsample_logits
from service.imaging import bounding_box, encode_png_mask, encode_polygons, encode_rle
from service.schemas import ClassResult, ImageResult, Output, RleMask

MaskValue = RleMask | str | list[list[float]]


class Labels(NamedTuple):
    """What every pixel of an image is.

    class_index: (H, W) 0 for background, i for the i-th class, counted from 1.
    logit: (H, W) of the best class, background pixels included.
    """

    class_index: NDArray[np.uint8]
    logit: NDArray[np.float32]


def label_pixels(logits: NDArray[np.float32], height: int, width: int, threshold: float) -> Labels:
    """Give each pixel to its best class, or to the background below the threshold.

    Args:
        logits: (P, h, h) of one image, at most 255 classes.
        height: of the image in pixels.
        width: of the image in pixels.
        threshold: least probability of a foreground pixel, in [0, 1].
    """
    best = upsample_logits(logits[0], height, width)
    index = np.ones((height, width), np.uint8)
    # One class at a time: all at once would take P times the image in floats.
    for number, class_logits in enumerate(logits[1:], start=2):
        candidate = upsample_logits(class_logits, height, width)
        better = candidate > best
        index[better] = number
        np.maximum(best, candidate, out=best)
    index[best < _logit(threshold)] = 0
    return Labels(index, best)


def describe_classes(labels: Labels, names: Sequence[str], output: Output) -> ImageResult:
    """The result of one image, its classes in the order of `names`."""
    height, width = labels.class_index.shape
    return ImageResult(
        height=height,
        width=width,
        classes=[
            _describe(name, labels, number, _ENCODERS[output])
            for number, name in enumerate(names, start=1)
        ],
    )


def _describe(
    name: str, labels: Labels, number: int, encode: Callable[[NDArray[np.bool_]], MaskValue]
) -> ClassResult:
    mask = labels.class_index == number
    inside = labels.logit[mask]
    return ClassResult(
        class_name=name,
        score=float(_sigmoid(inside).mean(dtype=np.float64)) if inside.size else 0.0,
        area=inside.size,
        bbox=bounding_box(mask),
        mask=encode(mask),
    )


def _logit(probability: float) -> float:
    """The inverse of the sigmoid; infinite at 0 and 1."""
    if probability in (0.0, 1.0):
        return math.inf if probability else -math.inf
    return math.log(probability) - math.log1p(-probability)


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    # By way of tanh, which saturates where exp would overflow.
    return np.float32(0.5) * (1 + np.tanh(logits / 2))


def _rle(mask: NDArray[np.bool_]) -> RleMask:
    encoded = encode_rle(mask)
    height, width = encoded["size"]
    return RleMask(size=(height, width), counts=encoded["counts"])


def _base64_png(mask: NDArray[np.bool_]) -> str:
    return base64.b64encode(encode_png_mask(mask)).decode("ascii")


_ENCODERS: dict[Output, Callable[[NDArray[np.bool_]], MaskValue]] = {
    "rle": _rle,
    "png": _base64_png,
    "polygon": encode_polygons,
}
