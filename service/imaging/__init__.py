"""Untrusted bytes to arrays, and masks to PNG, COCO RLE and polygons."""

from service.imaging.decode import decode_image, decode_mask
from service.imaging.guided_filter import guided_filter
from service.imaging.masks import (
    Rle,
    bounding_box,
    encode_label_map,
    encode_png_mask,
    encode_rle,
)
from service.imaging.polygons import encode_polygons

__all__ = [
    "Rle",
    "bounding_box",
    "decode_image",
    "decode_mask",
    "encode_label_map",
    "encode_png_mask",
    "encode_polygons",
    "encode_rle",
    "guided_filter",
]
