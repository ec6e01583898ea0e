"""JPEG: keep the coding segments and the two that say how colours are stored, drop the rest."""

import re

from service.errors import CorruptImageError
from service.imaging.containers.source import MAX_CHUNKS, Source
from service.imaging.containers.tiff_directory import exif_orientation

MAGIC = b"\xff\xd8\xff"

_START_OF_IMAGE = b"\xff\xd8"
_START_OF_SCAN = 0xDA
_END_OF_IMAGE = 0xD9
_JFIF, _EXIF, _ADOBE, _COMMENT = 0xE0, 0xE1, 0xEE, 0xFE
_METADATA = (frozenset(range(0xE0, 0xF0)) | {_COMMENT}) - {_JFIF, _ADOBE}
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# What follows the next 0xFF that is not filling, escaped, nor of a marker without a length:
# TEM, RST0 to RST7 and SOI.
_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])")
# Progressive files use about ten. Each scan of a few bytes walks the whole image again.
_MAX_SCANS = 100


def read(data: bytes) -> Source:
    """Reduce a JPEG file to its first picture without EXIF, profiles, previews and comments.

    Raises:
        CorruptImageError: it ends before its first scan, has no frame, or absurdly many scans.
    """
    kept = [_START_OF_IMAGE]
    size: tuple[int, int] | None = None
    orientation: int | None = None
    position = len(_START_OF_IMAGE)
    for _ in range(MAX_CHUNKS):
        marker, start, end = _next_segment(data, position)
        position = end
        if marker == _START_OF_SCAN:
            break
        if marker in _FRAMES and size is None:
            size = _frame_size(data[start:end])
        if marker == _EXIF and orientation is None and data.startswith(b"Exif\0\0", start + 4):
            orientation = exif_orientation(data[start + 4 : end])
        if marker not in _METADATA:
            kept.append(data[start:end])
    else:
        raise CorruptImageError("the JPEG file has too many segments")
    if size is None:
        raise CorruptImageError("the JPEG file has no frame header")
    scans = data[start : _end_of_scans(data, end)]
    # Counted in the bytes: how a decoder goes from segment to segment need not be how we do.
    if scans.count(b"\xff\xda") > _MAX_SCANS:
        raise CorruptImageError("the JPEG file has too many scans")
    kept.append(scans)
    return Source(b"".join(kept), *size, orientation=orientation or 1, lossy=True)


def _next_segment(data: bytes, position: int) -> tuple[int, int, int]:
    """Marker, start and end of the next segment at or after a position; junk between is skipped."""
    found = _MARKER.search(data, position)
    if found is None or found.end() + 2 > len(data):
        raise CorruptImageError("the JPEG file ends before its first scan")
    marker, end = found[1][0], _segment_end(data, found)
    if marker == _END_OF_IMAGE or end > len(data):
        raise CorruptImageError("the JPEG file has a broken segment")
    return marker, found.start(), end


def _end_of_scans(data: bytes, position: int) -> int:
    """Where the picture ends whose first scan begins at a position.

    What lies behind it, such as the video of a motion photo or another picture, is not looked at.
    """
    for _ in range(MAX_CHUNKS):
        found = _MARKER.search(data, position)
        if found is None:
            return len(data)
        if found[1][0] == _END_OF_IMAGE:
            return found.end()
        position = _segment_end(data, found)
    raise CorruptImageError("the JPEG file has too many segments")


def _segment_end(data: bytes, found: re.Match[bytes]) -> int:
    """Where a segment ends by its own length; behind the data if it has no valid one."""
    length = int.from_bytes(data[found.end() : found.end() + 2], "big")
    return found.end() + length if length >= 2 else len(data) + 1


def _frame_size(segment: bytes) -> tuple[int, int]:
    """Height and width from a frame header: marker, length, precision, height, width."""
    return int.from_bytes(segment[5:7], "big"), int.from_bytes(segment[7:9], "big")
