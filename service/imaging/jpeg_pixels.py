"""JPEG pixels by libjpeg-turbo directly, which is faster than Pillow and tells what it conceals.

Pillow takes what libjpeg makes up for lost data, such as grey for the rest of a picture. simplejpeg
refuses it, and writes the pixels where NumPy needs them. Otherwise both give the same bytes.
"""

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from service.errors import CorruptImageError
from service.imaging.containers import Source

_DECODED = frozenset({"Gray", "RGB", "YCbCr"})
_SCALES = (8, 4, 2)  # the parts of its size at which a picture is decoded in less time


def decode_jpeg(source: Source, min_side: int | None = None) -> NDArray[np.uint8] | None:
    """Decode a JPEG to RGB (h, w, 3) as stored.

    None of inks (CMYK, YCCK) and of rare subsamplings, which it does not take.

    Args:
        source: of the file.
        min_side: decode at 1/8, 1/4 or 1/2 of its size if no side gets shorter than this.

    Raises:
        CorruptImageError: the file contradicts itself about its size.
        ValueError: broken or truncated, also where libjpeg would go on.
    """
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(source.body)
    except (ValueError, KeyError):
        return None
    if (height, width) != (source.height, source.width):
        # The limit was checked on our reading of the header, so libjpeg's must be the same.
        raise CorruptImageError("the file contradicts itself about its size")
    if colours not in _DECODED:
        return None
    scale = 1
    if min_side is not None:
        scale = next((each for each in _SCALES if min(height, width) >= each * min_side), 1)
    return np.asarray(
        simplejpeg.decode_jpeg(
            source.body, min_height=-(-height // scale), min_width=-(-width // scale)
        ),
        np.uint8,
    )
