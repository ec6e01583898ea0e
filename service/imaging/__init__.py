"""Untrusted bytes to arrays, and masks to PNG, COCO RLE and polygons."""

from service.imaging.contours import Ring
from service.imaging.decode import ReducedImage, decode_image, decode_mask, decode_reduced
from service.imaging.guided_filter import guided_filter
from service.imaging.masks import (
    Rle,
    bounding_box,
    decode_rle,
    encode_label_map,
    encode_png_mask,
    encode_rle,
)
from service.imaging.part_rle import encode_part_rle
from service.imaging.polygons import encode_polygons
from service.imaging.regions import (
    Part,
    Region,
    components,
    cut_ring,
    trace_regions,
)
from service.imaging.slits import join_rings

__all__ = [
    "Part",
    "ReducedImage",
    "Region",
    "Ring",
    "Rle",
    "bounding_box",
    "components",
    "cut_ring",
    "decode_image",
    "decode_mask",
    "decode_reduced",
    "decode_rle",
    "encode_label_map",
    "encode_part_rle",
    "encode_png_mask",
    "encode_polygons",
    "encode_rle",
    "guided_filter",
    "join_rings",
    "trace_regions",
]
