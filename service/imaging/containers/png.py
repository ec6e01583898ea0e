"""PNG: keep the chunks that make pixels, drop text, profiles and animation."""

import zlib
from collections.abc import Iterator
from typing import NamedTuple

from service.errors import CorruptImageError, UnsupportedImageError
from service.imaging.containers.source import MAX_CHUNKS, Source
from service.imaging.containers.tiff_directory import exif_orientation
from service.units import MIB

MAGIC = b"\x89PNG\r\n\x1a\n"

_PIXEL_CHUNKS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_HEADER_BYTES = 13
_GREY, _RGB = 0, 2
_CHANNELS = {_GREY: 1, _RGB: 3, 3: 1, 4: 2, 6: 4}
# The seven passes of an interlaced picture: first column and row, step across and down.
_PASSES = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
# Grey that Pillow brings to 8 bits, without what is said of it.
_SCALED_DEPTHS = frozenset({2, 4})
_FED_BYTES = 1 << 16
_INFLATED_BYTES = MIB


class _Chunk(NamedTuple):
    name: bytes
    content: bytes
    framed: bytes


def read(data: bytes) -> Source:
    """Reduce a PNG file to its still picture.

    Checksums of kept chunks are verified, because Pillow does not verify those of the pixels.

    Raises:
        CorruptImageError: a chunk is cut off or fails its checksum, or header or end is missing.
        UnsupportedImageError: 16-bit RGB with a transparent colour.
    """
    chunks = _chunks(data)
    head = next(chunks)
    if head.name != b"IHDR":
        raise CorruptImageError("the PNG file does not start with its header")
    header = head.content
    if len(header) != _HEADER_BYTES:
        raise CorruptImageError("the PNG header is broken")
    kept = [MAGIC, _verified(head)]
    orientation = 1
    for chunk in chunks:
        if chunk.name == b"eXIf":
            orientation = exif_orientation(chunk.content)
        if chunk.name in _PIXEL_CHUNKS:
            framed = _verified(chunk)
            kept.append(_transparency(chunk, header) if chunk.name == b"tRNS" else framed)
    width, height = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
    return Source(b"".join(kept), height, width, orientation)


def _transparency(chunk: _Chunk, header: bytes) -> bytes:
    """The colour that is transparent, as it is once Pillow has brought the pixels to 8 bits."""
    depth, colour = header[8], header[9]
    if (depth, colour) == (16, _RGB):
        # Of the pixels 8 bits are left, in which other colours are the same.
        raise UnsupportedImageError("16-bit RGB PNG with a transparent colour is not supported")
    if colour != _GREY or depth not in _SCALED_DEPTHS or len(chunk.content) != 2:
        return chunk.framed
    white = (1 << depth) - 1
    grey = (int.from_bytes(chunk.content, "big") & white) * 255 // white
    content = chunk.name + grey.to_bytes(2, "big")
    return (2).to_bytes(4, "big") + content + zlib.crc32(content).to_bytes(4, "big")


def check_rows(source: Source) -> None:
    """Check that the pixels inflate to all rows, because Pillow leaves rows black that do not come.

    Memory is bounded by two constants, time by the size the header announces.

    Raises:
        CorruptImageError: the stream is broken or ends before the last row.
    """
    header = next(_chunks(source.body)).content
    missing = _expected_bytes(header, source.height, source.width)
    inflater = zlib.decompressobj()
    try:
        for piece in _pixel_pieces(source.body):
            if inflater.eof:  # what else is fed is gathered, and copied each time
                break
            while piece and missing > 0:
                missing -= len(inflater.decompress(piece, _INFLATED_BYTES))
                piece = inflater.unconsumed_tail
    except zlib.error as exc:
        raise CorruptImageError("the PNG pixels are broken") from exc
    if missing > 0:
        raise CorruptImageError("the PNG pixels end before the last row")


def _pixel_pieces(data: bytes) -> Iterator[bytes]:
    """The deflate stream in short pieces: what is not yet consumed of one is copied each time."""
    for chunk in _chunks(data):
        if chunk.name == b"IDAT":
            for start in range(0, len(chunk.content), _FED_BYTES):
                yield chunk.content[start : start + _FED_BYTES]


def _expected_bytes(header: bytes, height: int, width: int) -> int:
    """Bytes of all rows, each with its filter; rows of no pixels are not stored."""
    depth, colour, interlaced = header[8], header[9], header[12]
    bits = depth * _CHANNELS.get(colour, 1)
    total = 0
    for left, top, across, down in _PASSES if interlaced else ((0, 0, 1, 1),):
        columns, rows = -((left - width) // across), -((top - height) // down)
        if columns > 0 and rows > 0:
            total += rows * (1 + (columns * bits + 7) // 8)
    return total


def _chunks(data: bytes) -> Iterator[_Chunk]:
    """Every chunk up to the end chunk: length, name, content, checksum."""
    start = len(MAGIC)
    for _ in range(MAX_CHUNKS):
        end = start + 12 + int.from_bytes(data[start : start + 4], "big")
        if start + 12 > len(data) or end > len(data):
            raise CorruptImageError("the PNG file is truncated")
        chunk = _Chunk(data[start + 4 : start + 8], data[start + 8 : end - 4], data[start:end])
        yield chunk
        if chunk.name == b"IEND":
            return
        start = end
    raise CorruptImageError("the PNG file has too many chunks")


def _verified(chunk: _Chunk) -> bytes:
    if zlib.crc32(chunk.framed[4:-4]) != int.from_bytes(chunk.framed[-4:], "big"):
        raise CorruptImageError("a PNG chunk fails its checksum")
    return chunk.framed
