"""Logits of one image to one label a pixel, and the figures of each class."""

import base64
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.contract import logit, sigmoid, upsample_logits
from service.imaging import bounding_box, encode_png_mask, encode_polygons, encode_rle
from service.schemas import ClassResult, ImageResult, Output, RleMask
from service.sessions.mosaic import NearLogits, TiledLogits

MaskValue = RleMask | str | list[list[float]]


class ClassAnswer(NamedTuple):
    """A class as it is asked for in an image: its number from 1, and what the engine answers.

    logits: (h, h) of the whole image, or those of its tiles or windows.
    presence: in [0, 1]; `present`: whether that is enough.
    threshold: least probability of a pixel of it, in [0, 1].
    """

    number: int
    name: str
    logits: NDArray[np.float32] | TiledLogits | NearLogits
    presence: float
    present: bool
    threshold: float


class Labels(NamedTuple):
    """What every pixel of an image is.

    class_index: (H, W) 0 for background, the number of a class else.
    logit: (H, W) of the class; of background pixels that of any class, or minus infinity.
    """

    class_index: NDArray[np.uint8]
    logit: NDArray[np.float32]


def label_pixels(answers: Sequence[ClassAnswer], height: int, width: int) -> Labels:
    """Give each pixel to its best class of those that reach their threshold there.

    Args:
        answers: of one image, at most 255; of none, every pixel is background.
        height: of the image in pixels.
        width: of the image in pixels.
    """
    # Between cells no logit is larger than at them: what reaches its threshold nowhere is cheap.
    answers = [answer for answer in answers if _may_mark(answer)]
    if not answers:
        nothing = np.full((height, width), -np.inf, np.float32)
        return Labels(np.zeros((height, width), np.uint8), nothing)
    first, *others = answers
    best = _at_full_size(first.logits, height, width)
    index = (best >= logit(first.threshold)) * np.uint8(first.number)
    # One class at a time: all at once would take P times the image in floats.
    for answer in others:
        candidate = _at_full_size(answer.logits, height, width)
        reached = candidate >= logit(answer.threshold)
        # A class that reaches its threshold goes before all that do not.
        better = np.where(index == 0, reached | (candidate > best), reached & (candidate > best))
        best[better] = candidate[better]
        index[better & reached] = answer.number
    return Labels(index, best)


def _may_mark(answer: ClassAnswer) -> bool:
    logits = answer.logits
    if not isinstance(logits, np.ndarray):
        return True
    return bool(logits.max() >= logit(answer.threshold))


def _at_full_size(
    logits: NDArray[np.float32] | TiledLogits | NearLogits, height: int, width: int
) -> NDArray[np.float32]:
    if isinstance(logits, TiledLogits):
        return logits.blended()
    if isinstance(logits, NearLogits):
        return logits.blended(height, width)
    return upsample_logits(logits, height, width)


def describe_classes(labels: Labels, answers: Sequence[ClassAnswer], output: Output) -> ImageResult:
    """The result of one image, its classes in the order of `answers`."""
    height, width = labels.class_index.shape
    return ImageResult(
        height=height,
        width=width,
        classes=[_describe(answer, labels, _ENCODERS[output]) for answer in answers],
    )


def _describe(
    answer: ClassAnswer, labels: Labels, encode: Callable[[NDArray[np.bool_]], MaskValue]
) -> ClassResult:
    mask = labels.class_index == answer.number
    inside = labels.logit[mask]
    return ClassResult(
        class_name=answer.name,
        present=answer.present,
        presence=answer.presence,
        score=float(sigmoid(inside).mean(dtype=np.float64)) if inside.size else 0.0,
        area=inside.size,
        bbox=bounding_box(mask),
        mask=encode(mask),
    )


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
