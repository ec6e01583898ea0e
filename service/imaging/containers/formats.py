"""The five formats the service takes, told apart by their first bytes and never by name or type."""

from collections.abc import Callable
from io import BytesIO
from typing import NamedTuple

from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from service.errors import UnsupportedImageError
from service.imaging.containers import bmp, jpeg, png, tiff, webp
from service.imaging.containers.source import Source
from service.imaging.containers.tiff_pixels import open_page

_TIFF_MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


JPEG = "JPEG"


def _trusted(_: Source) -> None:
    """Leave it to the decoder, which notices missing pixels."""


class Format(NamedTuple):
    """One file format: how to recognise it, reduce it, open it in Pillow, and check it before.

    Pillow's plugin is called directly: `Image.open` would consult every plugin it knows and
    a pixel limit that is global to the process.
    """

    name: str
    matches: Callable[[bytes], bool]
    read: Callable[[bytes], Source]
    open: Callable[[BytesIO], ImageFile]
    check: Callable[[Source], None] = _trusted


FORMATS = (
    Format(JPEG, lambda data: data.startswith(jpeg.MAGIC), jpeg.read, JpegImageFile),
    Format("PNG", lambda data: data.startswith(png.MAGIC), png.read, PngImageFile, png.check_rows),
    Format("WebP", webp.matches, webp.read, WebPImageFile),
    Format("BMP", lambda data: data.startswith(bmp.MAGIC), bmp.read, BmpImageFile),
    Format("TIFF", lambda data: data.startswith(_TIFF_MAGICS), tiff.read, open_page),
)


def identify(data: bytes) -> Format:
    """The format of a file.

    Raises:
        UnsupportedImageError: it is none of the five.
    """
    for candidate in FORMATS:
        if candidate.matches(data):
            return candidate
    names = ", ".join(known.name for known in FORMATS)
    raise UnsupportedImageError(f"the file is none of {names}")
