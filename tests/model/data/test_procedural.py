"""Procedural defects: shapes, bounds, repeatability and variety."""

import cv2
import numpy as np
import pytest

from model.data.procedural import DEFECT_CLASSES, render_defect

CLASSES = range(len(DEFECT_CLASSES))


def test_names_are_unique() -> None:
    assert len(set(DEFECT_CLASSES)) == len(DEFECT_CLASSES) >= 12


@pytest.mark.parametrize("class_index", CLASSES, ids=DEFECT_CLASSES)
@pytest.mark.parametrize("side", [64, 193, 337])
def test_image_and_mask_have_the_promised_form(class_index: int, side: int) -> None:
    image, mask = render_defect(class_index, np.random.default_rng(side), side)
    assert image.shape == (side, side, 3)
    assert mask.shape == (side, side)
    assert image.dtype == mask.dtype == np.uint8
    assert set(np.unique(mask)) == {0, 1}


@pytest.mark.parametrize("class_index", CLASSES, ids=DEFECT_CLASSES)
def test_defect_covers_a_tenth_of_a_percent_to_fifteen_percent(class_index: int) -> None:
    shares = [
        render_defect(class_index, np.random.default_rng((3, seed)), 129)[1].mean()
        for seed in range(12)
    ]
    assert min(shares) >= 0.001
    assert max(shares) <= 0.15
    assert max(shares) > 1.3 * min(shares)


@pytest.mark.parametrize("class_index", CLASSES, ids=DEFECT_CLASSES)
def test_same_seed_same_image_and_other_seed_another(class_index: int) -> None:
    first, again, other = (
        render_defect(class_index, np.random.default_rng(seed), 96) for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert np.abs(first[0].astype(int) - other[0]).mean() > 2


@pytest.mark.parametrize("class_index", CLASSES, ids=DEFECT_CLASSES)
def test_defect_differs_from_its_surroundings(class_index: int) -> None:
    """The marked pixels are visible: their tone or texture departs from the ring around them."""
    visible = 0
    for seed in range(8):
        image, mask = render_defect(class_index, np.random.default_rng((9, seed)), 193)
        ring = cv2.dilate(mask, np.ones((15, 15), np.uint8)).astype(bool) & ~mask.astype(bool)
        inside, outside = (image[region].astype(float) for region in (mask.astype(bool), ring))
        tone = np.abs(inside.mean(0) - outside.mean(0)).max()
        spread = np.abs(inside.std(0) - outside.std(0)).max()
        visible += max(tone, spread) > 4
    assert visible >= 7


def test_surfaces_vary_within_a_class() -> None:
    means = np.array(
        [
            render_defect(0, np.random.default_rng(seed), 64)[0].mean(axis=(0, 1))
            for seed in range(16)
        ]
    )
    assert means.std(axis=0).min() > 15


def test_a_tiny_side_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 64"):
        render_defect(0, np.random.default_rng(0), 32)


@pytest.mark.parametrize("class_index", [-1, len(DEFECT_CLASSES)])
def test_an_unknown_class_is_refused(class_index: int) -> None:
    with pytest.raises(IndexError, match="no defect class"):
        render_defect(class_index, np.random.default_rng(0), 64)
