"""PNG: keep the chunks that make pixels, drop text, profiles and animation."""

import zlib
from collections.abc import Iterator
from typing import NamedTuple

from service.errors import CorruptImageError
from service.imaging.containers.source import MAX_CHUNKS, Source
from service.imaging.containers.tiff_directory import exif_orientation

MAGIC = b"\x89PNG\r\n\x1a\n"

_PIXEL_CHUNKS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_HEADER_BYTES = 13


class _Chunk(NamedTuple):
    name: bytes
    content: bytes
    framed: bytes


def read(data: bytes) -> Source:
    """Reduce a PNG file to its still picture.

    Checksums of kept chunks are verified, because Pillow does not verify those of the pixels.

    Raises:
        CorruptImageError: a chunk is cut off or fails its checksum, or header or end is missing.
    """
    kept = [MAGIC]
    header: bytes | None = None
    orientation = 1
    for chunk in _chunks(data):
        if header is None and chunk.name != b"IHDR":
            raise CorruptImageError("the PNG file does not start with its header")
        header = header or chunk.content
        if chunk.name == b"eXIf":
            orientation = exif_orientation(chunk.content)
        if chunk.name in _PIXEL_CHUNKS:
            kept.append(_verified(chunk))
    if header is None or len(header) != _HEADER_BYTES:
        raise CorruptImageError("the PNG header is broken")
    width, height = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
    return Source(b"".join(kept), height, width, orientation)


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
