"""What counts as one object: a connected part of a class's mask, or all of it."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from service.formats.labelled import ClassMask, LabelledImage
from service.imaging import Part, Region, components, trace_regions

Instances = Literal["component", "class"]


class Instance(NamedTuple):
    """One object and the class it was found as."""

    found: ClassMask
    part: Part

    @property
    def regions(self) -> list[Region]:
        """Its outlines in the image."""
        return trace_regions(self.part.mask, top=self.part.top, left=self.part.left)

    @property
    def area(self) -> int:
        """Its pixels."""
        return int(np.count_nonzero(self.part.mask))


def instances(image: LabelledImage, by: Instances) -> Iterator[Instance]:
    """The objects of an image; a class without pixels has none.

    Args:
        image: what was found in it.
        by: `component`: pixels that touch, by corners too, are one object; `class`: all pixels
            of a class are.
    """
    for found in image.classes:
        mask = found.mask
        parts = components(mask) if by == "component" else (Part(0, 0, mask),)
        yield from (Instance(found, part) for part in parts if part.mask.any())
