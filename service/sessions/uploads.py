"""Uploaded bytes to network inputs, one file at a time.

Full-size pixels are dropped as soon as they are resized, so what a request holds while it waits
for the engine does not grow with the size of its images.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from model.contract import resize_image, resize_mask
from model.runtime import Window, find_close_up, find_portrait
from service.errors import ServiceError
from service.imaging import decode_image, decode_mask, decode_reduced, decode_support_image
from service.sessions.decoded import DecodedImages, FileKey, QueryImage
from service.sessions.pixel_budget import PixelBudget
from service.sessions.support_checks import MaskFacts, check_mask, file_warnings

Pixel = TypeVar("Pixel", np.uint8, np.bool_)


class View(NamedTuple):
    """A support or a part of it, ready for the encoder; `side`: pixels a side stands for."""

    pixels: NDArray[np.uint8]  # (S, S, 3)
    mask: NDArray[np.float32]  # (S, S) share of object
    side: int


class Support(NamedTuple):
    """A support as a whole, its portrait, its close-up if the object is small, and warnings.

    image: position of the first support of the same image, mostly its own.
    """

    whole: View
    portrait: View
    close_up: View | None
    warnings: tuple[str, ...]
    image: int

    def repeating(self, original: int, position: int) -> "Support":
        """This support, with a warning that an earlier one is the same."""
        text = f"images[{position}]: the same image and mask as images[{original}]; it adds nothing"
        return self._replace(warnings=(*self.warnings, text))


def drained(files: list[bytes]) -> Iterator[bytes]:
    """Yield the files in order and drop each from the list, so that it is freed once decoded."""
    files.reverse()
    while files:
        yield files.pop()


@dataclass(frozen=True)
class ImageReader:
    """Reads the files of requests; its methods run on codec threads.

    Each raises `ServiceError`, of `service.imaging` and located at the file.

    max_pixels: of one image or mask.
    pixel_budget: bounds the pixels that all threads hold together.
    decoded: what was read of queries lately, kept within bounds.
    """

    max_pixels: int
    pixel_budget: PixelBudget
    decoded: DecodedImages = field(default_factory=lambda: DecodedImages(0))

    def query(self, data: bytes, position: int, *, side: int, keep_file: bool) -> QueryImage:
        """Decode and resize `images[position]`, or take it from the cache.

        Args:
            data: the file.
            position: in the request, for error messages.
            side: S, of the network.
            keep_file: for `windows` and `pixels`.
        """
        key = FileKey.of(data, side) if self.decoded.max_bytes else None
        found = self.decoded.find(key) if key else None
        if found is None:
            with self.pixel_budget.reservation() as reserve, _located(f"images[{position}]"):
                image = decode_reduced(data, side, max_pixels=self.max_pixels, on_size=reserve)
                found = QueryImage(resize_image(image.pixels, side), image.height, image.width)
            if key:
                self.decoded.keep(key, found)
        return found._replace(file=data) if keep_file else found

    def windows(
        self, data: bytes, position: int, windows: Sequence[Window], *, side: int
    ) -> list[NDArray[np.uint8]]:
        """Windows of `images[position]`, (S, S, 3); decoded again only if one is not cached."""
        whole = FileKey.of(data, side) if self.decoded.max_bytes else None
        found: dict[Window, NDArray[np.uint8]] = {}
        if whole:
            kept = {window: self.decoded.find(whole._replace(window=window)) for window in windows}
            found = {window: part.pixels for window, part in kept.items() if part}
        missing = [window for window in windows if window not in found]
        if missing:
            with self.pixel_budget.reservation() as reserve, _located(f"images[{position}]"):
                image = decode_image(data, max_pixels=self.max_pixels, on_size=reserve)
                for window in missing:
                    # A copy: what is kept must not keep the whole image, of which it may be a part.
                    found[window] = resize_image(image[window.slices].copy(), side)
            if whole:
                for window in missing:
                    part = QueryImage(found[window], window.height, window.width)
                    self.decoded.keep(whole._replace(window=window), part)
        return [found[window] for window in windows]

    def pixels(self, data: bytes, position: int) -> NDArray[np.uint8]:
        """Decode `images[position]` at full size, (H, W, 3)."""
        with self.pixel_budget.reservation() as reserve, _located(f"images[{position}]"):
            return decode_image(data, max_pixels=self.max_pixels, on_size=reserve)

    def support(self, image_data: bytes, mask_data: bytes, position: int, *, side: int) -> Support:
        """Decode, compare and resize `images[position]` and `masks[position]`.

        Raises:
            MaskSizeMismatchError, EmptyMaskError, FullMaskError; for the rest see the class.
        """
        # The mask at full size is gone before the image comes: both at once would raise the peak.
        with self.pixel_budget.reservation() as reserve, _located(f"masks[{position}]"):
            decoded = decode_mask(mask_data, max_pixels=self.max_pixels, on_size=reserve)
            share = float(decoded.objects.mean(dtype=np.float64))
            windows = _windows(decoded.objects) if 0 < share < 1 else []
            shares = [resize_mask(part, side) for part in _parts(decoded.objects, windows)]
            area, (height, width) = float(shares[0].mean()), decoded.objects.shape
            mask = MaskFacts(height, width, share, area, decoded.file)
            del decoded
        with self.pixel_budget.reservation() as reserve:
            with _located(f"images[{position}]"):
                image = decode_support_image(
                    image_data, max_pixels=self.max_pixels, on_size=reserve
                )
            with _located(f"masks[{position}]"):
                check_mask(mask, image)
            pixels = [resize_image(part, side) for part in _parts(image.pixels, windows)]
            warnings = file_warnings(mask, image, position, same_file=image_data == mask_data)
            del image
        areas = [height * width, *(window.area for window in windows)]
        sides = [round(math.sqrt(area)) for area in areas]
        whole, portrait, *close_ups = map(View, pixels, shares, sides)
        close_up = close_ups[0] if close_ups else None
        return Support(whole, portrait, close_up, warnings, position)


def _windows(mask: NDArray[np.bool_]) -> list[Window]:
    """The portrait of a support, and its close-up if it has one."""
    close_up = find_close_up(mask)
    return [find_portrait(mask), *([] if close_up is None else [close_up])]


def _parts(array: NDArray[Pixel], windows: Sequence[Window]) -> list[NDArray[Pixel]]:
    """The whole, and the part in each window."""
    parts = [array]
    parts += [np.ascontiguousarray(array[window.slices]) for window in windows]
    return parts


@contextmanager
def _located(location: str) -> Iterator[None]:
    """Attach the location of the file to errors that it causes."""
    try:
        yield
    except ServiceError as exc:
        exc.at(location)
        raise
