"""WebP: size, orientation and coding from the RIFF chunks; libwebp reads no metadata by itself."""

from collections.abc import Iterator

from service.errors import CorruptImageError
from service.imaging.containers.source import MAX_CHUNKS, Source
from service.imaging.containers.tiff_directory import exif_orientation

_HEADER_BYTES = 12
_CHUNK_HEADER_BYTES = 8
_FRAME_HEADER_BYTES = 16
_LOSSY_CODES = frozenset({b"VP8 ", b"ALPH"})


def matches(data: bytes) -> bool:
    """Whether the bytes start as a WebP file."""
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def read(data: bytes) -> Source:
    """Read the header of a WebP file, still or animated.

    The canvas is read here because Pillow's decoder allocates it before it can be asked.

    Raises:
        CorruptImageError: a chunk is cut off, or no chunk gives the size.
    """
    size: tuple[int, int] | None = None
    orientation = 1
    lossy = False
    for name, content in _chunks(data):
        if size is None:
            size = _canvas_size(name, content)
        if name == b"EXIF":
            orientation = exif_orientation(content)
        coding = content[_FRAME_HEADER_BYTES:][:4] if name == b"ANMF" else name
        lossy = lossy or coding in _LOSSY_CODES
    if size is None:
        raise CorruptImageError("the WebP file holds no picture")
    return Source(data, *size, orientation=orientation, lossy=lossy)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of every chunk; contents of odd length are followed by a padding byte."""
    end = _CHUNK_HEADER_BYTES + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise CorruptImageError("the WebP file is truncated")
    start = _HEADER_BYTES
    for _ in range(MAX_CHUNKS):
        if start + _CHUNK_HEADER_BYTES > end:
            return
        length = int.from_bytes(data[start + 4 : start + 8], "little")
        content_start = start + _CHUNK_HEADER_BYTES
        if content_start + length > end:
            raise CorruptImageError("a WebP chunk is cut off")
        yield data[start : start + 4], data[content_start : content_start + length]
        start = content_start + length + length % 2
    raise CorruptImageError("the WebP file has too many chunks")


def _canvas_size(name: bytes, content: bytes) -> tuple[int, int] | None:
    """Height and width from the extended, lossy or lossless header; None for any other chunk."""
    if name == b"VP8X" and len(content) >= 10:
        width, height = content[4:7], content[7:10]
        return int.from_bytes(height, "little") + 1, int.from_bytes(width, "little") + 1
    if name == b"VP8 " and len(content) >= 10:
        width, height = content[6:8], content[8:10]
        return int.from_bytes(height, "little") & 0x3FFF, int.from_bytes(width, "little") & 0x3FFF
    if name == b"VP8L" and len(content) >= 5:
        bits = int.from_bytes(content[1:5], "little")
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    return None
