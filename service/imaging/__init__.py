"""Untrusted bytes to arrays, and masks to PNG, COCO RLE and polygons."""

from service.imaging.contours import Ring
from service.imaging.decode import (
    DecodedMask,
    MaskFile,
    ReducedImage,
    SupportImage,
    decode_image,
    decode_mask,
    decode_reduced,
    decode_support_image,
)
from service.imaging.guided_filter import guided_filter
from service.imaging.mask_pixels import LOSSY_OBJECT_LEVEL
from service.imaging.mask_values import MaskValues
from service.imaging.masks import (
    bounding_box,
    decode_rle,
    encode_label_map,
    encode_png_mask,
    encode_rle,
)
from service.imaging.orientation import swaps_sides
from service.imaging.part_rle import decode_part_rle, encode_part_rle
from service.imaging.polygons import cut_polygons, outer_polygons
from service.imaging.regions import (
    Part,
    Region,
    components,
    cut_ring,
    trace_regions,
)
from service.imaging.slits import join_rings

__all__ = [
    "LOSSY_OBJECT_LEVEL",
    "DecodedMask",
    "MaskFile",
    "MaskValues",
    "Part",
    "ReducedImage",
    "Region",
    "Ring",
    "SupportImage",
    "bounding_box",
    "components",
    "cut_polygons",
    "cut_ring",
    "decode_image",
    "decode_mask",
    "decode_part_rle",
    "decode_reduced",
    "decode_rle",
    "decode_support_image",
    "encode_label_map",
    "encode_part_rle",
    "encode_png_mask",
    "encode_rle",
    "guided_filter",
    "join_rings",
    "outer_polygons",
    "swaps_sides",
    "trace_regions",
]
