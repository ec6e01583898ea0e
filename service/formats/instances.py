"""What counts as one object: a connected part of a class's mask, or all of it; specks do not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from service.formats.labelled import ClassMask, LabelledImage
from service.imaging import Part, Region, components, trace_regions
from service.schemas import Instances


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


def whole_classes(image: LabelledImage) -> Iterator[Instance]:
    """All pixels of each class, one mask in memory at a time; a class without pixels has none."""
    for found in image.classes:
        whole = found.decode()
        if whole is not None:
            yield Instance(found, whole)


def objects(whole: Instance, by: Instances, min_area: int = 0) -> Iterator[Instance]:
    """The objects of a class in an image.

    Args:
        whole: all its pixels.
        by: `component`: pixels that touch, by corners too, are one object; `class`: all pixels
            of a class are.
        min_area: pixels; connected parts that have fewer are left out.
    """
    if by == "class" and min_area <= 1:
        yield whole
        return
    top, left, mask = whole.part
    parts = components(mask, top=top, left=left)
    large = (part for part in parts if np.count_nonzero(part.mask) >= min_area)
    if by == "component":
        yield from (Instance(whole.found, part) for part in large)
    elif kept := list(large):
        yield Instance(whole.found, _joined(kept))


def _joined(parts: Sequence[Part]) -> Part:
    """Parts of an image as one, within the box around all of them."""
    top, left = min(part.top for part in parts), min(part.left for part in parts)
    bottom = max(part.top + part.mask.shape[0] for part in parts)
    right = max(part.left + part.mask.shape[1] for part in parts)
    joined = np.zeros((bottom - top, right - left), np.bool_)
    for part in parts:
        height, width = part.mask.shape
        y, x = part.top - top, part.left - left
        joined[y : y + height, x : x + width] |= part.mask
    return Part(top, left, joined)
