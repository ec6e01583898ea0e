"""What is exported: an image's name and size, and the mask of each class in it."""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from service.imaging import Part, decode_part_rle, encode_rle
from service.schemas import ImageResult, RleMask


class ClassMask(NamedTuple):
    """Where one class is in an image; run lengths, so that thousands of images fit in memory.

    score: mean probability over the mask, in [0, 1].
    present: whether the image seems to hold the class at all.
    """

    class_name: str
    rle: RleMask
    score: float
    present: bool

    @classmethod
    def of(
        cls, class_name: str, mask: NDArray[np.bool_], *, score: float = 1.0, present: bool = True
    ) -> Self:
        """From a mask (H, W)."""
        return cls(class_name, encode_rle(mask), score, present)

    def decode(self) -> Part | None:
        """The mask within its bounding box; None if it is empty."""
        return decode_part_rle(self.rle)


class LabelledImage(NamedTuple):
    """An image and its masks, which do not overlap; `file_name` may hold folders, by slashes."""

    file_name: str
    height: int
    width: int
    classes: tuple[ClassMask, ...]

    @classmethod
    def from_result(cls, file_name: str, result: ImageResult) -> Self:
        """From an answer of `POST /segment`.

        Raises:
            ValueError: the answer was not asked for with `output=rle`.
        """
        masks = []
        for found in result.classes:
            if not isinstance(found.mask, RleMask):
                raise ValueError("masks must be run lengths: ask for output=rle")
            masks.append(ClassMask(found.class_name, found.mask, found.score, found.present))
        return cls(file_name, result.height, result.width, tuple(masks))
