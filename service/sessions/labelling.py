"""Logits of one image to one label per pixel, and the figures of each class."""

import base64
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.contract import logit, sigmoid
from service.imaging import (
    bounding_box,
    cut_polygons,
    encode_png_mask,
    encode_rle,
    trace_regions,
)
from service.schemas import ClassResult, ImageResult, Output, RleMask
from service.sessions.full_size_logits import FullSizeLogits

MaskValue = RleMask | str | list[list[float]]
Proceed = Callable[[], None]


def _proceed() -> None:
    pass


class ClassPrediction(NamedTuple):
    """A class that is asked for in an image: its number from 1, and what the network predicts.

    logits: of the whole image, its tiles or its close-ups.
    presence: probability in [0, 1]; `present`: whether it reaches the model's threshold.
    threshold: minimum probability of a pixel of the class, in [0, 1].
    """

    number: int
    name: str
    logits: FullSizeLogits
    presence: float
    present: bool
    threshold: float


class Labels(NamedTuple):
    """What every pixel of an image is.

    class_index: (H, W) 0 for background, the number of a class else.
    logits: (H, W) of the class; of background pixels that of any class, or minus infinity.
    """

    class_index: NDArray[np.uint8]
    logits: NDArray[np.float32]


def label_pixels(
    predictions: Sequence[ClassPrediction], height: int, width: int, proceed: Proceed = _proceed
) -> Labels:
    """Give each pixel to its best class of those that reach their threshold there.

    Args:
        predictions: of one image, at most `MAX_CLASSES`; of none, every pixel is background.
        height: of the image in pixels.
        width: of the image in pixels.
        proceed: called before every class but the first; may raise to end the work.
    """
    predictions = [each for each in predictions if each.logits.may_reach(logit(each.threshold))]
    if not predictions:
        nothing = np.full((height, width), -np.inf, np.float32)
        return Labels(np.zeros((height, width), np.uint8), nothing)
    first, *others = predictions
    best = first.logits.at(height, width)
    index = (best >= logit(first.threshold)) * np.uint8(first.number)
    # One class at a time: all at once would take P times the image in floats.
    for other in others:
        proceed()
        candidate = other.logits.at(height, width)
        reached = candidate >= logit(other.threshold)
        # A class that reaches its threshold goes before all that do not.
        better = np.where(index == 0, reached | (candidate > best), reached & (candidate > best))
        best[better] = candidate[better]
        index[better & reached] = other.number
    return Labels(index, best)


def describe_classes(
    labels: Labels,
    predictions: Sequence[ClassPrediction],
    output: Output,
    proceed: Proceed = _proceed,
) -> ImageResult:
    """The result of one image, its classes in the order of `predictions`.

    `proceed` is called before each of them, and may raise to end the work.
    """
    height, width = labels.class_index.shape
    classes = []
    for each in predictions:
        proceed()
        classes.append(_describe(each, labels, _ENCODERS[output]))
    return ImageResult(height=height, width=width, classes=classes)


def _describe(
    prediction: ClassPrediction, labels: Labels, encode: Callable[[NDArray[np.bool_]], MaskValue]
) -> ClassResult:
    mask = labels.class_index == prediction.number
    inside = labels.logits[mask]
    return ClassResult(
        class_name=prediction.name,
        present=prediction.present,
        presence=prediction.presence,
        score=float(sigmoid(inside).mean(dtype=np.float64)) if inside.size else 0.0,
        area=inside.size,
        bbox=bounding_box(mask),
        mask=encode(mask),
    )


def _base64_png(mask: NDArray[np.bool_]) -> str:
    return base64.b64encode(encode_png_mask(mask)).decode("ascii")


def _polygons(mask: NDArray[np.bool_]) -> list[list[float]]:
    return cut_polygons(trace_regions(mask))


_ENCODERS: dict[Output, Callable[[NDArray[np.bool_]], MaskValue]] = {
    "rle": encode_rle,
    "png": _base64_png,
    "polygon": _polygons,
}
