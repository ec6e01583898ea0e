"""Whole files to begin with: every format, coding and mode, made here and small."""

import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from tests.service.imaging.samples import (
    blob,
    encode,
    every_file,
    exif,
    grey_tiff,
    photo,
    png,
    png_chunk,
)


def seeds() -> dict[str, bytes]:
    """Files by name; the name begins with that of the format."""
    return dict([*every_file(), *_more_files()])


def _more_files() -> Iterator[tuple[str, bytes]]:
    rgb = Image.fromarray(photo(24, 32))
    grey = rgb.convert("L")
    mask = Image.fromarray(blob(24, 32).astype(np.uint8) * 255)
    yield "jpeg-grey", encode(grey, "JPEG", quality=30, exif=exif(5))
    yield "png-grey-alpha", encode(rgb.convert("LA"), "PNG")
    yield "png-1", encode(mask.convert("1"), "PNG")
    yield "png-animated", encode(rgb, "PNG", save_all=True, append_images=[rgb.rotate(180)])
    yield "png-interlaced", _interlaced()
    yield "webp-mask", encode(mask, "WEBP", lossless=True)
    yield "bmp-8", encode(rgb.quantize(8), "BMP")
    yield "bmp-32", encode(rgb.convert("RGBA"), "BMP")
    yield "tiff-big", encode(rgb, "TIFF", big_tiff=True)
    yield "tiff-jpeg", encode(rgb, "TIFF", compression="jpeg")
    yield "tiff-bits", encode(mask.convert("1"), "TIFF")
    yield "tiff-packbits", encode(rgb.quantize(8), "TIFF", compression="packbits")
    yield "tiff-float", grey_tiff(np.linspace(0, 1, 48, dtype=np.float32).reshape(6, 8))
    yield "tiff-16-big-endian", grey_tiff(np.arange(48, dtype=np.uint16).reshape(6, 8), order=">")
    yield "tiff-signed", grey_tiff(np.arange(-24, 24, dtype=np.int32).reshape(6, 8))


def _interlaced() -> bytes:
    """Pillow writes none. One pixel: the first pass alone."""
    plain = png(1, 1, png_chunk(b"IDAT", zlib.compress(b"\0\x40")))
    header = bytearray(plain[16:29])
    header[12] = 1
    return plain[:8] + png_chunk(b"IHDR", bytes(header)) + plain[33:]
