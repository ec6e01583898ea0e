"""Results with masks as NumPy arrays."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from service.client.errors import UnexpectedAnswerError
from service.schemas import ClassResult, ImageResult, RleMask


@dataclass(frozen=True, eq=False)
class Found:
    """Where one class was found in one image.

    present: whether the image seems to hold the class at all; `presence` is the score behind it.
    score: mean probability over the mask's pixels; 0 if it is empty.
    area: pixels of the mask.
    bbox: x, y, width, height in pixels; None if the mask is empty.
    mask: (H, W), true on the object.
    """

    class_name: str
    present: bool
    presence: float
    score: float
    area: int
    bbox: tuple[int, int, int, int] | None
    mask: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Segmentation:
    """The result of one image.

    height, width: of the image as displayed, and of every mask.
    classes: by name, in the session's order.
    wire: the result as it was received, with masks in COCO RLE.
    """

    height: int
    width: int
    classes: Mapping[str, Found]
    wire: ImageResult

    def __getitem__(self, class_name: str) -> Found:
        return self.classes[class_name]

    @property
    def label_map(self) -> NDArray[np.uint8]:
        """(H, W): 0 for background, i for the i-th of `classes`; masks never overlap."""
        labels = np.zeros((self.height, self.width), np.uint8)
        for number, found in enumerate(self.classes.values(), start=1):
            labels[found.mask] = number
        return labels


def segmentation(result: ImageResult) -> Segmentation:
    """The arrays of an answer in run lengths.

    Raises:
        UnexpectedAnswerError: a mask is not of the image's size.
    """
    classes = {each.class_name: _found(each, result) for each in result.classes}
    return Segmentation(result.height, result.width, classes, result)


def _found(each: ClassResult, image: ImageResult) -> Found:
    mask = each.mask
    if not isinstance(mask, RleMask) or tuple(mask.size) != (image.height, image.width):
        raise UnexpectedAnswerError(f"the mask of {each.class_name!r} is not of its image's size")
    pixels = coco_mask.decode(mask.model_dump())
    return Found(
        class_name=each.class_name,
        present=each.present,
        presence=each.presence,
        score=each.score,
        area=each.area,
        bbox=each.bbox,
        mask=cast(NDArray[np.uint8], pixels).view(np.bool_),
    )
