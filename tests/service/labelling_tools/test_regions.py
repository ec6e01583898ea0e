"""Regions of Label Studio as masks, whatever a region claims."""

import time

import numpy as np
import pytest

from service.errors import InvalidRequestError
from service.imaging import bounding_box, encode_rle
from service.labelling_tools import parse_label_config
from service.labelling_tools.regions import Region, to_mask, to_regions
from service.schemas import ClassResult, ImageResult

# pycocotools is older than NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CONFIG = parse_label_config(
    '<View><Image name="i" value="$image"/>'
    '<PolygonLabels name="p" toName="i"><Label value="a"/></PolygonLabels></View>'
)

BOXES = parse_label_config(
    '<View><Image name="i" value="$image"/>'
    '<RectangleLabels name="p" toName="i"><Label value="a"/></RectangleLabels></View>'
)
STROKES = parse_label_config(
    '<View><Image name="i" value="$image"/>'
    '<BrushLabels name="p" toName="i"><Label value="a"/></BrushLabels></View>'
)


def zigzag(turns: int, side: int) -> Region:
    points = [(0 if turn % 2 else 100, 100 * turn / turns) for turn in range(turns)]
    return Region.model_validate(
        {
            "from_name": "p",
            "type": "polygonlabels",
            "original_height": side,
            "original_width": side,
            "value": {"polygonlabels": ["a"], "points": points},
        }
    )


def test_an_outline_that_is_much_longer_than_its_image_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="longer than its image allows"):
        to_mask([zigzag(2_000, 4_000)], "a", CONFIG, max_pixels=16_000_000)


def test_an_outline_of_many_turns_is_drawn() -> None:
    mask = to_mask([zigzag(200, 400)], "a", CONFIG, max_pixels=16_000_000)
    assert 0.2 < np.mean(mask) < 0.8


def drawn_rectangle(side: int, left: float, top: float, size: float) -> Region:
    value = {"x": left, "y": top, "width": size, "height": size, "rectanglelabels": ["a"]}
    return Region.model_validate(
        {
            "from_name": "p",
            "type": "rectanglelabels",
            "original_height": side,
            "original_width": side,
            "value": value,
        }
    )


def test_hundreds_of_small_boxes_in_a_large_image_are_drawn_together() -> None:
    side = 4_000
    boxes = [drawn_rectangle(side, 2 * n % 100, 4 * n // 100 * 2, 1) for n in range(500)]
    started = time.process_time()
    mask = to_mask(boxes, "a", BOXES, max_pixels=side * side)
    assert time.process_time() - started < 3  # each by itself took half a minute
    expected = np.zeros((side, side), np.bool_)
    for n in range(500):
        top, left = 4 * n // 100 * 2 * side // 100, 2 * n % 100 * side // 100
        expected[top : top + side // 100, left : left + side // 100] = True
    assert (mask == expected).all()


def test_outlines_that_would_take_hours_are_refused() -> None:
    boxes = [drawn_rectangle(4_000, 0, 0, 100)] * 1_100
    with pytest.raises(InvalidRequestError, match="too many outlines"):
        to_mask(boxes, "a", BOXES, max_pixels=16_000_000)


def test_brush_strokes_that_would_take_hours_are_refused() -> None:
    stroke = Region.model_validate(
        {
            "from_name": "p",
            "type": "brushlabels",
            "original_height": 1_000,
            "original_width": 1_000,
            "value": {"rle": [], "brushlabels": ["a"]},
        }
    )
    with pytest.raises(InvalidRequestError, match="too many brush strokes"):
        to_mask([stroke] * 21, "a", STROKES, max_pixels=1_000_000)


def test_each_connected_part_has_a_box_of_its_own() -> None:
    mask = np.zeros((20, 40), np.bool_)
    mask[2:6, 4:12] = True
    mask[10:20, 30:40] = True
    found = ClassResult(
        class_name="b",
        present=True,
        presence=1.0,
        score=0.5,
        area=int(mask.sum()),
        bbox=bounding_box(mask),
        mask=encode_rle(mask),
    )
    config = parse_label_config(
        '<View><Image name="i" value="$image"/>'
        '<RectangleLabels name="r" toName="i"><Label value="b"/></RectangleLabels></View>'
    )
    regions = to_regions(ImageResult(height=20, width=40, classes=[found]), config)
    boxes = [
        tuple(each["value"][side] for side in ("x", "y", "width", "height")) for each in regions
    ]
    assert sorted(boxes) == [(10, 10, 20, 20), (75, 50, 25, 50)]
    drawn = to_mask(map(Region.model_validate, regions), "b", config, max_pixels=800)
    assert (drawn == mask).all()
