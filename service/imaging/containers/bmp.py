"""BMP: size and compression from the header; there is no metadata to drop."""

import struct

from service.errors import CorruptImageError, UnsupportedImageError
from service.imaging.containers.source import Source

MAGIC = b"BM"

_OS2_HEADER_BYTES = 12
_RUN_LENGTH_CODINGS = frozenset({1, 2})


def read(data: bytes) -> Source:
    """Read the header of a BMP file.

    Raises:
        CorruptImageError: the header is cut off.
        UnsupportedImageError: run-length coded, which Pillow decodes byte by byte in Python.
    """
    try:
        (header_bytes,) = struct.unpack_from("<I", data, 14)
        if header_bytes == _OS2_HEADER_BYTES:
            width, height = struct.unpack_from("<HH", data, 18)
            return Source(data, height, width)
        width, height, _, _, compression = struct.unpack_from("<iiHHI", data, 18)
    except struct.error as exc:
        raise CorruptImageError("the BMP header is cut off") from exc
    if compression in _RUN_LENGTH_CODINGS:
        raise UnsupportedImageError("run-length coded BMP is not supported")
    # A negative height means that rows run from the top.
    return Source(data, abs(height), width)
