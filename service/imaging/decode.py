"""Untrusted bytes to arrays; bad input raises nothing but a `ServiceError`.

Pure functions without global state, safe in a pool of threads; the decoders release the GIL. All
pages but the first of an animation or a multi-page file are ignored.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile

from service.errors import (
    CorruptImageError,
    ImageTooLargeError,
    ServiceError,
    UnsupportedImageError,
)
from service.imaging.containers import JPEG, Format, Source, identify
from service.imaging.jpeg_pixels import decode_jpeg
from service.imaging.mask_pixels import mask_channels, object_pixels
from service.imaging.mask_values import MaskValues, mask_values
from service.imaging.orientation import displayed_size, to_displayed_frame
from service.imaging.pixels import WIDE_WHITES, rgb_pixels

_BYTE_MODES = frozenset({"LA", "RGB", "RGBA", "CMYK"})

# Least side, in sides that are wanted. From here on what it is resized to differs by 0.1 of 255
# from what the whole is resized to, on average; at 1.5 by 0.4, which may have cost half a point.
_MIN_REDUCED = 3
_UNKNOWN_MODE = "unknown pixel mode"

OnSize = Callable[[int], None]


def _no_wait(_: int) -> None:
    pass


class _Decoded(NamedTuple):
    """A picture and its file; `narrowed`: Pillow kept the high byte alone of 16-bit channels."""

    image: Image.Image | NDArray[np.uint8]
    source: Source
    narrowed: bool

    @property
    def wide(self) -> bool:
        """Whether the file has more than 8 bits a channel."""
        if isinstance(self.image, np.ndarray):
            return False
        return self.narrowed or self.image.mode in WIDE_WHITES


class ReducedImage(NamedTuple):
    """RGB pixels (h, w, 3) of an image of (height, width), both in the displayed frame."""

    pixels: NDArray[np.uint8]
    height: int
    width: int


class SupportImage(NamedTuple):
    """RGB pixels (H, W, 3) in the displayed frame, and what of their file may mislead people.

    orientation: EXIF's, 1 to 8, from which they were turned; 1: as they were stored.
    wide: from more than 8 bits a channel, which are divided by their full range.
    """

    pixels: NDArray[np.uint8]
    orientation: int
    wide: bool


class MaskFile(NamedTuple):
    """What of the file of a mask may mislead people.

    orientation: as of `SupportImage`.
    lossy: object is what is bright. has_alpha: object is what has neither colour nor alpha 0.
    values: that the mask has.
    """

    orientation: int
    lossy: bool
    has_alpha: bool
    values: MaskValues


class DecodedMask(NamedTuple):
    """Where the object is (H, W), in the displayed frame, and the file that says so."""

    objects: NDArray[np.bool_]
    file: MaskFile


def decode_image(data: bytes, *, max_pixels: int, on_size: OnSize = _no_wait) -> NDArray[np.uint8]:
    """Decode JPEG, PNG, WebP, BMP or TIFF to RGB (H, W, 3) in the displayed frame.

    `on_size` is called with the number of pixels before any is decoded, and may wait for memory.

    Raises:
        UnsupportedImageError: another type of file.
        CorruptImageError: broken or truncated.
        ImageTooLargeError: the header announces more than `max_pixels`; nothing was decoded.
    """
    return decode_support_image(data, max_pixels=max_pixels, on_size=on_size).pixels


def decode_support_image(
    data: bytes, *, max_pixels: int, on_size: OnSize = _no_wait
) -> SupportImage:
    """As `decode_image`, for an image whose mask people draw."""
    decoded = _decode(data, max_pixels, on_size)
    orientation = decoded.source.orientation
    with _corrupt_on_failure():
        pixels = rgb_pixels(decoded.image)
    return SupportImage(to_displayed_frame(pixels, orientation), orientation, decoded.wide)


def decode_reduced(
    data: bytes, side: int, *, max_pixels: int, on_size: OnSize = _no_wait
) -> ReducedImage:
    """Decode an image that is to be resized to (`side`, `side`).

    A JPEG is decoded at 1/2, 1/4 or 1/8 of its size, as long as both sides stay at least
    3 x `side`: decoding then takes a fraction of the time, and averaging still has enough pixels.
    Other formats are decoded whole. Arguments and errors as for `decode_image`.
    """
    decoded = _decode(data, max_pixels, on_size, min_side=_MIN_REDUCED * side)
    with _corrupt_on_failure():
        pixels = rgb_pixels(decoded.image)
    source = decoded.source
    size = displayed_size(source.height, source.width, source.orientation)
    return ReducedImage(to_displayed_frame(pixels, source.orientation), *size)


def decode_mask(data: bytes, *, max_pixels: int, on_size: OnSize = _no_wait) -> DecodedMask:
    """Decode a mask.

    What counts as object is written in `service.imaging.mask_pixels`. `on_size` and errors as for
    `decode_image`; colour or alpha of 16 bits is unsupported too, because small values are lost.
    """
    decoded = _decode(data, max_pixels, on_size)
    if decoded.narrowed:
        raise UnsupportedImageError(
            "a mask of 16 bits a channel must be grey, without colour and alpha"
        )
    with _corrupt_on_failure():
        channels, lossy = mask_channels(decoded.image), decoded.source.lossy
        objects = object_pixels(channels, lossy=lossy)
        values = mask_values(channels, lossy=lossy)
    orientation = decoded.source.orientation
    shown = to_displayed_frame(objects.view(np.uint8), orientation).view(np.bool_)
    return DecodedMask(shown, MaskFile(orientation, lossy, channels.alpha is not None, values))


def _decode(data: bytes, max_pixels: int, on_size: OnSize, min_side: int | None = None) -> _Decoded:
    container = identify(data)
    source = container.read(data)
    _check_size(source, max_pixels)
    on_size(source.height * source.width)
    with _corrupt_on_failure():
        if container.name == JPEG and (pixels := decode_jpeg(source, min_side)) is not None:
            return _Decoded(pixels, source, narrowed=False)
        container.check(source)
        image = _open(container, source)
        if image.size != (source.width, source.height):
            # The limit was checked on our reading of the header, so Pillow's must be the same.
            raise CorruptImageError("the file contradicts itself about its size")
        # The raw modes of several 16-bit channels; grey of 16 bits keeps them all.
        narrowed = image.mode in _BYTE_MODES and ";16" in str(image.tile)
        if min_side is not None:
            image.draft(None, (min_side, min_side))
        unsigned = image.mode == "I" and "S'" not in str(image.tile)
        image.load()
        if unsigned and np.min(image.getextrema()) < 0:
            # Pillow keeps 32 bits as signed, so the brightest pixels would be the darkest.
            raise UnsupportedImageError("unsigned values of 2^31 and more are not supported")
    return _Decoded(image, source, narrowed)


def _open(container: Format, source: Source) -> ImageFile:
    try:
        return container.open(BytesIO(source.body))
    except SyntaxError as exc:
        # Nothing else tells a whole file of another kind, such as five bands, from a torn one.
        if str(exc) == _UNKNOWN_MODE:
            raise UnsupportedImageError(
                f"{container.name} of these channels, bits or number format is not supported"
            ) from exc
        raise


def _check_size(source: Source, max_pixels: int) -> None:
    if source.height < 1 or source.width < 1:
        raise CorruptImageError("the image has no pixels")
    if source.height * source.width > max_pixels:
        raise ImageTooLargeError(
            f"the image has {source.height} x {source.width} pixels, more than {max_pixels} in all"
        )


@contextmanager
def _corrupt_on_failure() -> Iterator[None]:
    """Turn whatever Pillow raises on hostile bytes into an error of the service."""
    try:
        yield
    except ServiceError:
        raise
    except Exception as exc:
        raise CorruptImageError("the image data is broken or truncated") from exc
