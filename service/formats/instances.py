"""What counts as one object: a connected part of a class's mask, or all of it."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.formats.labelled import ClassMask, LabelledImage
from service.imaging import components

Instances = Literal["component", "class"]


class Instance(NamedTuple):
    """One object (H, W) and the class it was found as."""

    found: ClassMask
    mask: NDArray[np.bool_]


def instances(image: LabelledImage, by: Instances) -> Iterator[Instance]:
    """The objects of an image; a class without pixels has none.

    Args:
        image: what was found in it.
        by: `component`: pixels that touch, by corners too, are one object; `class`: all pixels
            of a class are.
    """
    for found in image.classes:
        mask = found.mask
        parts = components(mask) if by == "component" else (mask,)
        yield from (Instance(found, part) for part in parts if part.any())
