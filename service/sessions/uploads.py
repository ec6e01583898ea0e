"""Uploaded bytes to network inputs; runs on codec threads, one file at a time.

Full-size pixels are dropped as soon as they are resized, so what a request holds while it waits
for the engine does not grow with the size of its images.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.contract import resize_image, resize_mask
from service.errors import EmptyMaskError, FullMaskError, MaskSizeMismatchError, ServiceError
from service.imaging import decode_image, decode_mask
from service.sessions.pixel_gate import PixelGate

_TINY_SHARE = 0.001
_HUGE_SHARE = 0.9


class QueryImage(NamedTuple):
    """A query ready for the encoder, and the size its masks must have."""

    pixels: NDArray[np.uint8]  # (S, S, 3)
    height: int
    width: int


class Support(NamedTuple):
    """A support ready for the encoder, and what looked doubtful about it."""

    pixels: NDArray[np.uint8]  # (S, S, 3)
    mask: NDArray[np.float32]  # (S, S) share of object
    warnings: tuple[str, ...]


def drained(files: list[bytes]) -> Iterator[bytes]:
    """Hand out the files in order and keep none, so that each is freed once it is decoded."""
    files.reverse()
    while files:
        yield files.pop()


def read_query(
    data: bytes, position: int, *, side: int, max_pixels: int, gate: PixelGate
) -> QueryImage:
    """Decode and resize `images[position]`.

    Raises:
        ServiceError: of `service.imaging`, located at the file.
    """
    with gate.entry() as enter, _located(f"images[{position}]"):
        image = decode_image(data, max_pixels=max_pixels, on_size=enter)
        height, width = image.shape[:2]
        return QueryImage(resize_image(image, side), height, width)


def read_support(
    image_data: bytes,
    mask_data: bytes,
    position: int,
    *,
    side: int,
    max_pixels: int,
    gate: PixelGate,
) -> Support:
    """Decode, compare and resize `images[position]` and `masks[position]`.

    Raises:
        ServiceError: of `service.imaging`, or the mask is of another size, empty or full.
    """
    # The image at full size is gone before the mask comes: both at once would double the peak.
    query = read_query(image_data, position, side=side, max_pixels=max_pixels, gate=gate)
    with gate.entry() as enter, _located(f"masks[{position}]"):
        mask = decode_mask(mask_data, max_pixels=max_pixels, on_size=enter)
        share = _object_share(mask, query.height, query.width)
        return Support(query.pixels, resize_mask(mask, side), _warnings(share, position))


@contextmanager
def _located(location: str) -> Iterator[None]:
    """Name the file at fault in what is raised about it."""
    try:
        yield
    except ServiceError as exc:
        exc.at(location)
        raise


def _object_share(mask: NDArray[np.bool_], height: int, width: int) -> float:
    """The share of object pixels, in (0, 1)."""
    if mask.shape != (height, width):
        raise MaskSizeMismatchError(
            f"the mask is {mask.shape[0]} x {mask.shape[1]} pixels (height x width), "
            f"its image {height} x {width}"
        )
    share = float(mask.mean(dtype=np.float64))
    if share == 0:
        raise EmptyMaskError("the mask marks no pixel as object")
    if share == 1:
        raise FullMaskError("the mask marks every pixel as object, so there is no background")
    return share


def _warnings(share: float, position: int) -> tuple[str, ...]:
    if share < _TINY_SHARE:
        return (f"masks[{position}]: the object covers under 0.1 % of the image",)
    if share > _HUGE_SHARE:
        return (f"masks[{position}]: the mask covers over 90 % of the image; is it inverted?",)
    return ()
