"""What counts as one object: a connected part of a class's mask, or all of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from service.formats.labelled import ClassMask, LabelledImage
from service.imaging import Part, Region, components, trace_regions

Instances = Literal["component", "class"]


@dataclass(frozen=True, eq=False)
class Instance:
    """One object: the class it was found as, and its pixels within their bounding box."""

    found: ClassMask
    part: Part

    @cached_property
    def regions(self) -> list[Region]:
        """Its outlines in the image, traced once for all formats."""
        return trace_regions(self.part.mask, top=self.part.top, left=self.part.left)

    @property
    def area(self) -> int:
        """Its pixels."""
        return int(np.count_nonzero(self.part.mask))


def instances(image: LabelledImage, by: Instances) -> Iterator[Instance]:
    """The objects of an image, one mask in memory at a time; a class without pixels has none.

    Args:
        image: what was found in it.
        by: `component`: pixels that touch, by corners too, are one object; `class`: all pixels
            of a class are.
    """
    for found in image.classes:
        whole = found.decode()
        if whole is not None:
            top, left, mask = whole
            parts = components(mask, top=top, left=left) if by == "component" else (whole,)
            yield from (Instance(found, part) for part in parts)
