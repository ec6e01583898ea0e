"""Label Studio's regions to masks and back; their coordinates are percent of the image."""

import math
import secrets
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from pydantic import BaseModel, Field

from service.errors import ImageTooLargeError, InvalidRequestError
from service.imaging import Part, components, decode_rle, outer_polygons
from service.labelling_tools.brush_rle import decode_brush, encode_brush
from service.labelling_tools.label_config import Control, LabelConfig
from service.labelling_tools.studio import FIRST_ERROR
from service.schemas import ClassResult, ImageResult, RleMask

Percent = Annotated[float, Field(ge=-1000, le=1000, allow_inf_nan=False)]
Points = Annotated[
    list[tuple[Percent, Percent]], Field(min_length=3, max_length=100_000, fail_fast=True)
]
Labels = Annotated[list[str], FIRST_ERROR]
Lengths = Annotated[list[int], FIRST_ERROR]
Mask = NDArray[np.bool_]

# pycocotools keeps five points for each pixel an outline passes, which takes 40 bytes.
_MAX_OUTLINE = 4_000_000
_MAX_OUTLINES = 4 * _MAX_OUTLINE  # of all regions of a label together: half a minute of work
_MAX_STROKES = 20  # of the most pixels that an image may have; each is as large as its image


class _Value(BaseModel):
    brushlabels: Labels = []
    polygonlabels: Labels = []
    rectanglelabels: Labels = []
    rle: Lengths | None = None
    points: Points | None = None
    x: Percent = 0
    y: Percent = 0
    width: Percent = 0
    height: Percent = 0
    rotation: Percent = 0


class Region(BaseModel):
    """One region of an annotation, as far as it is drawn by one of our controls."""

    from_name: str
    type: Literal["brushlabels", "polygonlabels", "rectanglelabels"]
    original_height: Annotated[int, Field(ge=1, le=1_000_000)]
    original_width: Annotated[int, Field(ge=1, le=1_000_000)]
    value: _Value

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of its image in pixels."""
        return self.original_height, self.original_width

    def learned_labels(self, config: LabelConfig) -> list[str]:
        """Those of its labels that the config draws with its control."""
        labels: list[str] = getattr(self.value, self.type)
        return [
            label
            for label in labels
            if (control := config.controls.get(label)) is not None
            and control.name == self.from_name
        ]


def to_mask(regions: Iterable[Region], label: str, config: LabelConfig, *, max_pixels: int) -> Mask:
    """The mask (H, W) of a label: all regions of an annotation that have it, one at least.

    Regions of another size than the last one are left out: their image was another.

    Raises:
        ImageTooLargeError.
        InvalidRequestError: a brush stroke is broken, or there is too much to draw.
    """
    of_label = [each for each in regions if label in each.learned_labels(config)]
    if not of_label:
        raise ValueError("no region has this label")
    height, width = of_label[-1].size
    if height * width > max_pixels:
        raise ImageTooLargeError("an annotation is of an image with too many pixels")
    of_image = [each for each in of_label if each.size == (height, width)]
    strokes = [each.value.rle or [] for each in of_image if each.type == "brushlabels"]
    if len(strokes) * height * width > _MAX_STROKES * max_pixels:
        raise InvalidRequestError("an annotation has too many brush strokes for its size")
    mask = _filled([each for each in of_image if each.type != "brushlabels"], height, width)
    for stroke in strokes:
        mask |= decode_brush(stroke, height, width)
    return mask


def _filled(regions: Sequence[Region], height: int, width: int) -> Mask:
    """Where polygons and rectangles of an image (H, W) are.

    They are joined as run lengths, which takes as long as their outlines are, not their image.
    """
    outlines = [
        outline for each in regions if (outline := _outline(each, height, width)) is not None
    ]
    lengths = [np.abs(each - np.roll(each, 1, axis=0)).max(axis=1).sum() for each in outlines]
    if max(lengths, default=0) > _MAX_OUTLINE:
        raise InvalidRequestError("an outline is longer than its image allows")
    if sum(lengths) > _MAX_OUTLINES:
        raise InvalidRequestError("an annotation has too many outlines for its size")
    if not outlines:
        return np.zeros((height, width), np.bool_)
    encoded = coco_mask.frPyObjects([each.ravel().tolist() for each in outlines], height, width)
    mask: Mask = coco_mask.decode(coco_mask.merge(encoded)).astype(np.bool_)
    return mask


def _outline(region: Region, height: int, width: int) -> NDArray[np.float64] | None:
    """Corners (N, 2) of a polygon or rectangle in pixels, x before y; None if it has none."""
    value = region.value
    points = value.points if region.type == "polygonlabels" else _corners(value, height, width)
    if points is None:
        return None
    scale = np.array([width, height]) / 100
    return np.clip(np.array(points) * scale, 0, [width, height])


def _corners(value: _Value, height: int, width: int) -> Points:
    """A rectangle turned about its top left corner, clockwise, in percent."""
    turn = math.radians(value.rotation)
    aspect = width / height
    along = (math.cos(turn), math.sin(turn) * aspect)
    down = (-math.sin(turn) / aspect, math.cos(turn))
    return [
        (
            value.x + a * value.width * along[0] + b * value.height * down[0],
            value.y + a * value.width * along[1] + b * value.height * down[1],
        )
        for a, b in ((0, 0), (1, 0), (1, 1), (0, 1))
    ]


def to_regions(result: ImageResult, config: LabelConfig) -> list[dict[str, Any]]:
    """What was found in an image, each class as its control draws it; masks are RLE."""
    return [
        {
            "id": secrets.token_urlsafe(8),
            "from_name": control.name,
            "to_name": control.image,
            "type": control.kind,
            "original_width": result.width,
            "original_height": result.height,
            "image_rotation": 0,
            "score": found.score,
            "value": {**value, control.kind: [found.class_name]},
        }
        for found in result.classes
        if (control := config.controls.get(found.class_name)) is not None and found.area
        for value in _values(found, control, result.height, result.width)
    ]


def _values(
    found: ClassResult, control: Control, height: int, width: int
) -> Sequence[dict[str, Any]]:
    mask = decode_rle(RleMask.model_validate(found.mask))
    if control.kind == "rectanglelabels":
        return [_box(part, height, width) for part in components(mask)]
    if control.kind == "brushlabels":
        return [{"format": "rle", "rle": encode_brush(mask)}]
    scale = 100 / np.array([width, height])
    return [
        {"points": (np.array(outline).reshape(-1, 2) * scale).tolist(), "closed": True}
        for outline in outer_polygons(mask)
    ]


def _box(part: Part, height: int, width: int) -> dict[str, Any]:
    part_height, part_width = part.mask.shape
    return {
        "x": 100 * part.left / width,
        "y": 100 * part.top / height,
        "width": 100 * part_width / width,
        "height": 100 * part_height / height,
        "rotation": 0,
    }
