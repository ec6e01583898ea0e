"""Masks over images."""

import numpy as np

from service.demo.overlay import colour_of, contact_sheet, overlay


def test_overlay_tints_the_mask_and_leaves_the_rest_and_its_input_alone() -> None:
    image = np.full((300, 400, 3), 100, np.uint8)
    mask = np.zeros((300, 400), np.bool_)
    mask[100:200, 100:300] = True
    drawn = overlay(image, {"duck": mask})
    tint = (0.58 * 100 + 0.42 * np.array(colour_of(0))).astype(np.uint8)
    assert (drawn[150, 200] == tint).all()
    assert (drawn[250, 350] == 100).all()
    assert (image == 100).all()
    assert (drawn[20:30, 12:18] != 100).any()  # the legend


def test_classes_have_colours_of_their_own() -> None:
    assert len({colour_of(index) for index in range(4)}) == 4


def test_contact_sheet_shows_every_picture_in_reading_order() -> None:
    pictures = [np.full((30, 40, 3), tone, np.uint8) for tone in (60, 120, 180)]
    sheet = contact_sheet(pictures, columns=2, width=40)
    assert sheet.shape == (2 * 42 + 12, 2 * 52 + 12, 3)
    assert [sheet[20, 20, 0], sheet[20, 80, 0], sheet[70, 20, 0]] == [60, 120, 180]
    assert sheet[70, 80, 0] == 32
