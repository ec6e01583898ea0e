"""PIL images and masks as files that the service reads as it reads the files they were opened from.

What an image and a mask are in each mode is decided by the service, in `service.imaging.pixels`;
the modes that a PNG would change are brought to one that it keeps, as the service would do.
"""

import struct
from io import BytesIO
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageOps

from service.image_files.errors import UnusableInputError

_WIDE_MODES = frozenset({"I", "I;16", "I;16L", "I;16B", "F"})
_ALPHA_MODES = frozenset({"LA", "PA", "RGBA", "La", "RGBa"})
_INDEX_MODES = frozenset({"P", "PA"})
_IMAGE_MODES = frozenset({"1", "L", "RGB", "LA", "RGBA"})
_BYTE_MODES = frozenset({"LA", "RGB", "RGBA"})
_GREY_16_WHITE = 65535
_ORIENTATION = ExifTags.Base.Orientation
# Where Pillow looks for an orientation that EXIF does not give; as text, EXIF too is passed over.
_ELSEWHERE = frozenset({"xmp", "XML:com.adobe.xmp", "Raw profile type exif"})
_BITS, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0
_LOSSY_TIFFS = frozenset({"jpeg", "tiff_jpeg", "webp"})
_LOSSY_CHUNKS = frozenset({b"VP8 ", b"ALPH"})
_FRAME_HEADER_BYTES = 16
# Of a channel of a lossy mask: object is what is at least half as bright as it may be.
_HALF = 128
_OBJECT = [0] * _HALF + [255] * _HALF
_AS_IT_IS = list(range(256))
_FAST = 1  # zlib's level; the wire is rarely slower than the processor


def pil_image_file(image: Image.Image) -> bytes:
    """The bytes of a file with this image as displayed, transparency and 16 bits included.

    Raises:
        UnusableInputError: its pixels cannot be had or converted, or are inverted without notice.
    """
    _require_grey_as_shown(image)
    try:
        upright = _upright(image)
        if upright.mode in _WIDE_MODES:
            return _tiff(_over_white(upright))
        if upright.mode in _ALPHA_MODES or "transparency" in upright.info:
            return png(_in(upright, _ALPHA_MODES & _IMAGE_MODES, "RGBA"))
        return png(_in(upright, _IMAGE_MODES, "RGB"))
    except Exception as exc:  # whatever Pillow raises, which it does not enumerate
        raise UnusableInputError(f"the PIL image cannot be sent: {exc}") from exc


def pil_mask_file(mask: Image.Image) -> bytes:
    """The bytes of a file with this mask as displayed; indices of a palette stay what they are.

    Raises:
        UnusableInputError: as for an image, or it has 16 bits a channel, of which some are lost.
    """
    _require_grey_as_shown(mask)
    # Before it is loaded and turned: a copy knows no file.
    lossy = _is_lossy(mask)
    if mask.mode in _BYTE_MODES and ";16" in str(getattr(mask, "tile", "")):
        raise UnusableInputError(
            "a mask of 16 bits a channel must be grey, without colour and alpha"
        )
    try:
        upright = _upright(mask)
        if upright.mode in _WIDE_MODES:
            return _tiff(upright)
        if upright.mode in _INDEX_MODES:
            upright = Image.fromarray(np.asarray(upright))  # L or LA
        has_alpha = upright.mode in _ALPHA_MODES
        upright = _in(upright, _IMAGE_MODES, "RGBA" if has_alpha else "RGB")
        if lossy and upright.mode != "1":
            colours = len(upright.getbands()) - has_alpha
            upright = upright.point(_OBJECT * colours + _AS_IT_IS * has_alpha)
        return png(upright)
    except Exception as exc:
        raise UnusableInputError(f"the PIL image of the mask cannot be sent: {exc}") from exc


def png(image: Image.Image) -> bytes:
    """A PNG of pixels in a mode that it has, without metadata."""
    buffer = BytesIO()
    image.info.clear()
    image.save(buffer, "PNG", compress_level=_FAST, exif=b"")
    return buffer.getvalue()


def _require_grey_as_shown(image: Image.Image) -> None:
    """Refuse what the service refuses: Pillow does not invert such a file, and says nothing."""
    tags = _tiff_tags(image)
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO and tags.get(_BITS) == (16,):
        raise UnusableInputError("16-bit TIFF with white as zero is not supported")


def _upright(image: Image.Image) -> Image.Image:
    """A copy as displayed, turned by EXIF alone, as by the service; Pillow would read XMP too."""
    try:
        exif = image.getexif()
        inside = Image.Exif()
        inside.load(image.info.get("exif") or b"")
    except (SyntaxError, struct.error):  # broken: it says nothing
        return image.copy()
    by_exif = _ORIENTATION in inside or _ORIENTATION in _tiff_tags(image)
    if by_exif or _ORIENTATION not in exif or _ELSEWHERE.isdisjoint(image.info):
        return ImageOps.exif_transpose(image)
    # Hidden rather than undone: a TIFF is turned when it is loaded, and forgets by what.
    hidden = exif.pop(_ORIENTATION)
    try:
        return image.copy()
    finally:
        exif[_ORIENTATION] = hidden


def _tiff_tags(image: Image.Image) -> Any:
    """The fields of the TIFF that it was opened from; of other images, none."""
    return getattr(image, "tag_v2", {})


def _over_white(image: Image.Image) -> Image.Image:
    """Wide grey without the value that its file calls transparent."""
    if "transparency" not in image.info:
        return image
    values = np.array(image)
    values[values == image.info["transparency"]] = max(_GREY_16_WHITE, values.max())
    return Image.fromarray(values)


def _tiff(image: Image.Image) -> bytes:
    """A TIFF, which holds numbers that a PNG would cut off or round."""
    buffer = BytesIO()
    image.info.clear()
    image.save(buffer, "TIFF", compression=None)
    return buffer.getvalue()


def _in(image: Image.Image, modes: frozenset[str], otherwise: str) -> Image.Image:
    return image if image.mode in modes else image.convert(otherwise)


def _is_lossy(image: Image.Image) -> bool:
    """Whether it was opened from a file whose coding blurs edges."""
    if image.format == "WEBP":
        return not _is_lossless_webp(image)
    if image.format == "TIFF":
        return image.info.get("compression") in _LOSSY_TIFFS
    return image.format in {"JPEG", "MPO"}


def _is_lossless_webp(image: Image.Image) -> bool:
    """Whether its chunks say so, while Pillow has the file open.

    Afterwards only the colours tell: lossy masks are drawn in 0 and 255, so a mask that is dark
    everywhere counts as lossless.
    """
    file = getattr(image, "fp", None)
    if file is None:
        colours = np.asarray(image.convert("RGB"))
        return int(colours.max()) < _HALF
    place = file.tell()
    try:
        file.seek(0)
        if file.read(12)[8:] != b"WEBP":
            return False
        while len(head := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", head)
            after = file.tell() + length + length % 2
            if name == b"ANMF":
                file.seek(_FRAME_HEADER_BYTES, 1)
                name = file.read(4)
            if name in _LOSSY_CHUNKS:
                return False
            file.seek(after)
        return True
    finally:
        file.seek(place)
