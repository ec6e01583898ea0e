"""Masks leave as PNG, label map, RLE, polygons and boxes that others read back."""

import struct
import time
import tracemalloc
from io import BytesIO

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco_mask

from service.imaging import (
    bounding_box,
    components,
    cut_polygons,
    cut_ring,
    decode_mask,
    encode_label_map,
    encode_png_mask,
    encode_rle,
    join_rings,
    outer_polygons,
    trace_regions,
)
from tests.service.imaging.samples import MAX_PIXELS, blob

Mask = NDArray[np.bool_]

# pycocotools, which reads the answers back here, does not know the array protocol of NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def drawn(*rows: str) -> Mask:
    return np.array([[cell == "#" for cell in row] for row in rows])


def noise() -> Mask:
    return np.random.default_rng(7).random((37, 53)) > 0.5


def single_pixel_wide() -> Mask:
    mask = np.zeros((1, 20_000), np.bool_)
    mask[0, 19_990:] = True
    return mask


MASKS = {
    "blob": blob(),
    "empty": np.zeros((5, 7), np.bool_),
    "full": np.ones((5, 7), np.bool_),
    "one": np.ones((1, 1), np.bool_),
    "wide": single_pixel_wide(),
    "tall": single_pixel_wide().T,
    "strided": blob()[::2, ::-3],
    "noise": noise(),
}


@pytest.mark.parametrize("name", MASKS)
def test_png_round_trip(name: str) -> None:
    data = encode_png_mask(MASKS[name])
    np.testing.assert_array_equal(decode_mask(data, max_pixels=MAX_PIXELS).objects, MASKS[name])
    with Image.open(BytesIO(data)) as image:
        assert image.mode == "L"
        assert set(np.unique(np.asarray(image))) <= {0, 255}


@pytest.mark.parametrize("classes", [1, 2, 16, 255])
def test_a_label_map_is_an_eight_bit_palette_png_of_class_indices(classes: int) -> None:
    labels = (np.arange(40 * 30) % (classes + 1)).astype(np.uint8).reshape(40, 30)
    data = encode_label_map(labels)
    depth, colour = struct.unpack_from("BB", data, 24)
    assert (depth, colour) == (8, 3)
    with Image.open(BytesIO(data)) as image:
        np.testing.assert_array_equal(np.asarray(image), labels)
        colours = np.asarray(image.convert("RGB")).reshape(-1, 3)
    assert len(np.unique(colours, axis=0)) == classes + 1
    assert colours[0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", MASKS)
def test_rle_round_trip(name: str) -> None:
    rle = encode_rle(MASKS[name])
    assert rle.size == MASKS[name].shape
    np.testing.assert_array_equal(coco_mask.decode(rle.model_dump()).astype(bool), MASKS[name])


def test_a_small_object_of_a_large_mask_is_searched_in_its_own_box() -> None:
    mask = np.zeros((4000, 4000), np.bool_)
    mask[3000:3010, 500:520] = mask[3020, 530] = True
    tracemalloc.start()
    try:
        parts = list(components(mask, top=7, left=8))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    places = [(part.top, part.left, part.mask.shape) for part in parts]
    assert places == [(3007, 508, (10, 20)), (3027, 538, (1, 1))]
    assert peak_bytes < 100_000


def rasterised(polygons: list[list[float]], shape: tuple[int, ...]) -> Mask:
    parts = coco_mask.frPyObjects(polygons, *shape)
    return np.asarray(coco_mask.decode(coco_mask.merge(parts)), np.bool_)


@pytest.mark.parametrize(
    "mask",
    [
        blob(),
        blob(300, 400),
        np.ones((5, 7), np.bool_),
        np.ones((1, 1), np.bool_),
        single_pixel_wide(),
        single_pixel_wide().T,
        drawn("..#", "...", "#.."),
        drawn("#..", ".#.", "..#"),
        drawn("##.", "#..", "###"),
        drawn("....", ".##.", ".#..", "...."),
        drawn(".#.", "###", ".#."),
        drawn("#.#.#", "#####"),
    ],
)
def test_polygons_without_holes_rasterise_to_the_very_mask(mask: Mask) -> None:
    polygons = outer_polygons(mask)
    assert all(len(polygon) >= 6 and len(polygon) % 2 == 0 for polygon in polygons)
    np.testing.assert_array_equal(rasterised(polygons, mask.shape), mask)


def test_cut_polygons_rasterise_to_the_very_mask_holes_and_all() -> None:
    rng = np.random.default_rng(0)
    drawn_by_chance = (rng.random(rng.integers(1, 40, 2)) < rng.random() for _ in range(100))
    for mask in (*MASKS.values(), *drawn_by_chance):
        polygons = cut_polygons(trace_regions(mask))
        painted = sum(rasterised([each], mask.shape).astype(int) for each in polygons)
        np.testing.assert_array_equal(painted, mask)  # so none is painted over by another


def holes_filled(mask: Mask) -> Mask:
    """The mask with all that cannot be reached from outside by edges."""
    outside = np.pad(mask, 1).astype(np.uint8)
    cv2.floodFill(outside, None, (0, 0), (2,), flags=4)
    return np.asarray(outside[1:-1, 1:-1] != 2)


def test_a_noisy_mask_with_its_holes_filled_comes_back() -> None:
    filled = holes_filled(noise())
    back = rasterised(outer_polygons(noise()), filled.shape)
    assert (back & filled).sum() / (back | filled).sum() > 0.99


def test_one_pixel_is_a_square_of_area_one() -> None:
    mask = np.zeros((9, 9), np.bool_)
    mask[2, 5] = True
    (polygon,) = outer_polygons(mask)
    corners = {tuple(corner) for corner in np.reshape(polygon, (-1, 2)).tolist()}
    assert corners == {(5.0, 2.0), (6.0, 2.0), (6.0, 3.0), (5.0, 3.0)}
    assert len(polygon) == 8


def test_corners_are_not_repeated() -> None:
    (polygon,) = outer_polygons(drawn("##.", "#..", "#.."))
    assert len(polygon) == 2 * 6


def test_a_hole_is_filled_and_what_lies_in_it_is_no_part_of_its_own() -> None:
    ring = drawn("#####", "#...#", "#.#.#", "#...#", "#####")
    polygons = outer_polygons(ring)
    assert len(polygons) == 1
    assert rasterised(polygons, ring.shape).all()


def test_no_object_gives_no_polygon() -> None:
    assert outer_polygons(np.zeros((4, 4), np.bool_)) == []


@pytest.mark.parametrize(
    ("mask", "box"),
    [
        (drawn("....", "..##", "...#"), (2, 1, 2, 2)),
        (np.ones((3, 5), np.bool_), (0, 0, 5, 3)),
        (drawn("....", "..##", "...#")[::-1, ::-1], (0, 0, 2, 2)),
        (single_pixel_wide(), (19_990, 0, 10, 1)),
        (np.zeros((3, 5), np.bool_), None),
    ],
)
def test_bounding_box(mask: Mask, box: tuple[int, int, int, int] | None) -> None:
    assert bounding_box(mask) == box


def test_one_ring_covers_parts_and_leaves_their_holes() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        mask = rng.random(rng.integers(2, 16, 2)) < rng.random()
        rings = [cut_ring(region) for region in trace_regions(mask)]
        if rings:
            outline = join_rings(rings).astype(float).ravel().tolist()
            found = coco_mask.decode(coco_mask.frPyObjects([outline], *mask.shape))[..., 0]
            np.testing.assert_array_equal(found, mask)


def test_far_parts_of_a_large_mask_are_joined_in_little_memory() -> None:
    mask = np.zeros((7000, 7000), np.bool_)
    for place in range(0, 7000, 100):
        mask[place : place + 3, -3 - place : 7000 - place] = True
    rings = [cut_ring(region) for region in trace_regions(mask)]
    tracemalloc.start()
    try:
        outline = join_rings(rings).astype(float).ravel().tolist()
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    found = coco_mask.decode(coco_mask.frPyObjects([outline], *mask.shape))[..., 0]
    np.testing.assert_array_equal(found, mask)
    assert peak_bytes < 20_000_000


def test_thousands_of_holes_are_cut_at_once() -> None:
    mask = np.ones((200, 200), np.bool_)
    mask[1:-1:2, 1:-1:2] = False
    (region,) = trace_regions(mask)
    started = time.thread_time()
    cut_ring(region)
    assert len(region.holes) == 9_801
    assert time.thread_time() - started < 2
