"""The shots of a class as requests of a size the service takes."""

import os
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from service.image_files.errors import UnusableInputError
from service.image_files.inputs import ImageLike, MaskLike
from service.schemas import MAX_FILES, Adapt

_PART = re.compile(r"(images|masks)\[(\d+)\]")


class Shots(NamedTuple):
    """What one request registers, and whether the head is fitted to it."""

    images: Sequence[ImageLike]
    masks: Sequence[MaskLike]
    adapt: Adapt

    def named(self, location: str) -> str:
        """The file at a location of the request, such as `masks[2]`; the location if it is none."""
        part = _PART.fullmatch(location)
        if part is None or int(part[2]) >= len(self.images):
            return location
        image, mask = self.images[int(part[2])], self.masks[int(part[2])]
        if part[1] == "masks" and isinstance(mask, str | os.PathLike):
            return os.fspath(mask)
        if not isinstance(image, str | os.PathLike):
            return location
        return os.fspath(image) if part[1] == "images" else f"the mask of {os.fspath(image)}"


def shot_batches(
    images: Sequence[ImageLike], masks: Sequence[MaskLike], adapt: Adapt
) -> Iterator[Shots]:
    """The shots of a class as requests; with `auto` the first one decides, and its fit stays.

    Raises:
        UnusableInputError: more shots are to be fitted to than one request may carry.
    """
    if adapt is True and len(images) > MAX_FILES:
        raise UnusableInputError(
            f"the head can be fitted to {MAX_FILES} shots at most, not {len(images)}"
        )
    for first in range(0, len(images), MAX_FILES):
        part = slice(first, first + MAX_FILES)
        yield Shots(images[part], masks[part], adapt if first == 0 else False)
