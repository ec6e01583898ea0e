"""Small image files in every format and mode the service takes, made here."""

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MAX_PIXELS = 1_000_000


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    """An image as a file of one kind."""
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def photo(height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """A smooth RGB picture (H, W, 3), different in every corner."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    y, x = y / max(height - 1, 1), x / max(width - 1, 1)
    channels = (40 + 180 * x, 30 + 200 * y, 120 + 80 * np.sin(5 * x + 3 * y))
    return np.stack(channels, axis=2).astype(np.uint8)


def blob(height: int = 48, width: int = 64) -> NDArray[np.bool_]:
    """A mask (H, W) of one off-centre ellipse."""
    y, x = np.mgrid[0:height, 0:width]
    y, x = (y - height * 0.4) / (height * 0.3), (x - width * 0.6) / (width * 0.2)
    return np.asarray(y**2 + x**2 < 1)


def png_chunk(name: bytes, content: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )


def png(width: int, height: int, *chunks: bytes, depth: int = 8, colour: int = 0) -> bytes:
    """A PNG file whose header is the caller's word."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + png_chunk(b"IEND", b"")


Fields = dict[int, tuple[int, list[int]]]


def tiff(fields: Fields, data: bytes = b"", *, order: Literal["<", ">"] = "<") -> bytes:
    """A classic TIFF file: `data` at offset 8, then the directory; tag to (kind, values)."""
    codes = {1: "B", 3: "H", 4: "I", 11: "f"}
    directory_at = 8 + len(data) + len(data) % 2
    values_at = directory_at + 2 + 12 * len(fields) + 4
    entries, tail = b"", b""
    for tag, (kind, values) in sorted(fields.items()):
        packed = struct.pack(f"{order}{len(values)}{codes[kind]}", *values)
        if len(packed) > 4:
            field = struct.pack(order + "I", values_at + len(tail))
            tail += packed + b"\0" * (len(packed) % 2)
        else:
            field = packed.ljust(4, b"\0")
        entries += struct.pack(order + "HHI", tag, kind, len(values)) + field
    magic = b"II*\0" if order == "<" else b"MM\0*"
    directory = struct.pack(order + "H", len(fields)) + entries + bytes(4)
    padded = data + b"\0" * (len(data) % 2)
    return magic + struct.pack(order + "I", directory_at) + padded + directory + tail


def grey_tiff(
    values: NDArray[Any],
    *,
    order: Literal["<", ">"] = "<",
    photometric: int = 1,
    changes: Fields | None = None,
) -> bytes:
    """An uncompressed grey TIFF of an array (H, W), in its own dtype."""
    height, width = values.shape
    data = values.astype(values.dtype.newbyteorder(order)).tobytes()
    sample_format = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    fields: Fields = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [values.dtype.itemsize * 8]),
        259: (3, [1]),
        262: (3, [photometric]),
        273: (4, [8]),
        277: (3, [1]),
        278: (4, [height]),
        279: (4, [len(data)]),
        339: (3, [sample_format]),
    }
    return tiff(fields | (changes or {}), data, order=order)


def exif(orientation: int) -> bytes:
    """An EXIF block with an orientation alone."""
    block = Image.Exif()
    block[0x0112] = orientation
    return block.tobytes()


def every_file() -> Iterator[tuple[str, bytes]]:
    """One named file for every format, and for its main codings."""
    rgb = Image.fromarray(photo())
    alpha = rgb.copy()
    alpha.putalpha(Image.fromarray(blob().astype(np.uint8) * 255))
    deep = Image.fromarray(photo()[:, :, 0].astype(np.uint16) * 257)
    yield "jpeg", encode(rgb, "JPEG", quality=85)
    yield "jpeg-progressive", encode(rgb, "JPEG", quality=85, progressive=True, exif=exif(6))
    yield "jpeg-cmyk", encode(rgb.convert("CMYK"), "JPEG")
    yield "png", encode(rgb, "PNG")
    yield "png-palette", encode(rgb.quantize(16), "PNG", exif=exif(3))
    yield "png-16", encode(deep, "PNG")
    yield "webp", encode(rgb, "WEBP", exif=exif(8))
    yield "webp-lossless", encode(alpha, "WEBP", lossless=True)
    yield "webp-animated", encode(rgb, "WEBP", save_all=True, append_images=[rgb.rotate(90)])
    yield "bmp", encode(rgb, "BMP")
    yield "bmp-1", encode(rgb.convert("1"), "BMP")
    yield "tiff", encode(rgb, "TIFF")
    yield "tiff-lzw", encode(rgb, "TIFF", compression="tiff_lzw", tiffinfo={274: 6})
    yield "tiff-deflate", encode(deep, "TIFF", compression="tiff_adobe_deflate")
    yield "tiff-pages", encode(rgb, "TIFF", save_all=True, append_images=[rgb.rotate(90)])
