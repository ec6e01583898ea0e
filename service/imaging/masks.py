"""Encodes masks: PNG, label map, COCO RLE, bounding box."""

import zlib
from io import BytesIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco_mask

from service.schemas import RleMask

# Masks are flat areas, so matching runs alone is fast and no larger. By Pillow, because OpenCV
# writes no PNG over a million pixels wide.
_PNG_OPTIONS = {"compress_level": 1, "compress_type": zlib.Z_RLE}


def encode_png_mask(mask: NDArray[np.bool_]) -> bytes:
    """An 8-bit grey PNG of a mask (H, W): 255 on the object, 0 elsewhere."""
    image = Image.fromarray(np.where(mask, np.uint8(255), np.uint8(0)))
    buffer = BytesIO()
    image.save(buffer, "PNG", **_PNG_OPTIONS)
    return buffer.getvalue()


def encode_label_map(labels: NDArray[np.uint8]) -> bytes:
    """An 8-bit palette PNG of labels (H, W): the index is the class, colours are for viewers."""
    image = Image.fromarray(np.ascontiguousarray(labels, np.uint8))
    image.putpalette(_PALETTE)
    buffer = BytesIO()
    # Unoptimised: Pillow would shorten the palette and store small label sets in fewer bits.
    image.save(buffer, "PNG", bits=8, **_PNG_OPTIONS)
    return buffer.getvalue()


def encode_rle(mask: NDArray[np.bool_]) -> RleMask:
    """COCO RLE of a mask (H, W), as `pycocotools.mask.decode` reads it."""
    # By columns, as run lengths go; OpenCV turns a mask in a fraction of numpy's time.
    columns = cv2.transpose(np.ascontiguousarray(mask).view(np.uint8)).T
    encoded = coco_mask.encode(columns)
    height, width = encoded["size"]
    return RleMask(size=(height, width), counts=encoded["counts"].decode("ascii"))


def decode_rle(rle: RleMask) -> NDArray[np.bool_]:
    """The mask (H, W) of COCO RLE."""
    return np.ascontiguousarray(coco_mask.decode(rle.model_dump())).astype(np.bool_)


def bounding_box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    """The smallest box (x, y, width, height) around the object; None without an object."""
    x, y, width, height = cv2.boundingRect(np.ascontiguousarray(mask).view(np.uint8))
    return (int(x), int(y), int(width), int(height)) if width else None


def _distinct_palette() -> bytes:
    """256 RGB colours, black first: the bits of an index spread over the channels, high bits first.

    The scheme of the PASCAL VOC label maps, so that known viewers and eyes read it.
    """
    index = np.arange(256, dtype=np.uint8)
    palette = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        palette[:, bit % 3] |= (index >> bit & 1) << (7 - bit // 3)
    return palette.tobytes()


_PALETTE = _distinct_palette()
