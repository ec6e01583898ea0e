"""TIFF pixels that Pillow decodes to other values than the file has, and without an error: refused.

It is Pillow's own reading of the fields that is judged: it takes them in types that ours does not.
"""

from io import BytesIO

from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    EXTRASAMPLES,
    FILLORDER,
    PHOTOMETRIC_INTERPRETATION,
    PLANAR_CONFIGURATION,
    SAMPLEFORMAT,
    TiffImageFile,
)

from service.errors import UnsupportedImageError

_MIN_IS_WHITE = 0
_SIGNED = 2
_SEPARATE_PLANES = 2
# Grey with white as zero is inverted in other modes.
_NOT_INVERTED = frozenset({"I;16", "F"})
# Swapped once more than libtiff has done already.
_SWAPPED = frozenset({"I;16BS", "I;32BS", "F;32BF"})


def open_page(body: BytesIO) -> TiffImageFile:
    """Open a file of one page in Pillow.

    Raises:
        UnsupportedImageError: Pillow would decode its pixels wrongly.
    """
    page = TiffImageFile(body)
    misread = _misread(page)
    if misread:
        raise UnsupportedImageError(f"{misread} is not supported")
    return page


def _misread(page: TiffImageFile) -> str | None:
    tags, tile = page.tag_v2, page.tile[0]
    compressed = tile.codec_name == "libtiff"
    if tags.get(PHOTOMETRIC_INTERPRETATION) == _MIN_IS_WHITE and page.mode in _NOT_INVERTED:
        return "TIFF of 16 bits or floats with white as zero"
    if page.mode == "L" and _SIGNED in tags.get(SAMPLEFORMAT, ()):
        return "TIFF of signed 8-bit values"
    if compressed and _SWAPPED.intersection(tile.args or ()):
        return "compressed big-endian TIFF of signed values or floats"
    if tags.get(PLANAR_CONFIGURATION) == _SEPARATE_PLANES:
        return _misread_planes(page, compressed)
    return None


def _misread_planes(page: TiffImageFile, compressed: bool) -> str | None:
    tags = page.tag_v2
    if page.mode in {"LA", "PA"}:
        return "TIFF of grey or a palette with alpha in separate planes"
    if page.mode == "RGBA" and EXTRASAMPLES not in tags:
        return "TIFF of a fourth channel without a meaning in separate planes"
    # Of the raw mode, Pillow keeps a letter for each plane, and none for how its bits lie.
    plain = max(tags.get(BITSPERSAMPLE, (1,))) == 8 and tags.get(FILLORDER, 1) == 1
    if not compressed and not plain:
        return "uncompressed TIFF of 16 or reversed bits in separate planes"
    return None
