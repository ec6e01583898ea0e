"""Panels: sizes, outlines, heat."""

import numpy as np
import pytest

from model.experiments.drawing import HEIGHT, Panel, fit, heat, paint, row

GREY = np.full((60, 90, 3), 128, np.uint8)
RED = (255, 0, 0)


@pytest.mark.parametrize(
    ("size", "width"), [((60, 90), 360), ((480, 240), 120), ((10, 400), 420), ((900, 2), 1)]
)
def test_a_panel_keeps_its_shape_up_to_the_widest(size: tuple[int, int], width: int) -> None:
    assert fit(np.zeros((*size, 3), np.uint8)).shape == (HEIGHT, width, 3)


def test_paint_tints_the_mask_and_leaves_the_rest() -> None:
    mask = np.zeros((60, 90), bool)
    mask[20:40, 30:60] = True
    drawn = paint(GREY, mask, RED, fill=0.5)
    assert drawn[HEIGHT // 2, 180].tolist() == [191, 64, 64]
    assert drawn[5, 5].tolist() == [128, 128, 128]
    assert (drawn == RED).all(axis=2).any()  # the outline


def test_one_pixel_of_a_large_mask_is_still_drawn() -> None:
    image, mask = np.full((2000, 2000, 3), 128, np.uint8), np.zeros((2000, 2000), bool)
    mask[1000, 1000] = True
    assert (paint(image, mask, RED, fill=0.5) == RED).all(axis=2).any()


def test_an_empty_mask_leaves_the_image() -> None:
    assert (paint(GREY, np.zeros((60, 90), bool), RED, fill=0.5) == 128).all()


def test_heat_is_brightest_where_the_map_is_highest() -> None:
    values = np.array([[0, 1]], np.float32)
    drawn = heat(GREY, values).astype(int)
    assert drawn.shape == (HEIGHT, 360, 3)
    assert drawn[100, 359].sum() > drawn[100, 0].sum() + 200


def test_a_row_gives_a_narrow_panel_the_room_of_its_caption() -> None:
    narrow = Panel("a caption wider than its picture", np.zeros((HEIGHT, 20, 3), np.uint8))
    wide = Panel("wide", np.zeros((HEIGHT, 300, 3), np.uint8))
    height, width, _ = row([narrow, wide]).shape
    assert height > HEIGHT
    assert width > 300 + 150
