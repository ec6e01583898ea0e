"""Logits of the whole and of close-ups, rendered at the size of an image."""

import numpy as np
import pytest

from model.contract import PIXEL_CLASSIFIER_SIZE, PIXEL_FEATURES
from model.runtime import PixelColours, Window
from service.sessions.full_size_logits import CloseUpLogits, SeenLogits, TiledLogits
from service.sessions.tile_grid import Grid

BLACK = PixelColours(np.zeros((16, 16, 3), np.uint8))


def _seen(logit: float) -> SeenLogits:
    return SeenLogits(np.full((2, 2), logit, np.float32), BLACK)


def test_overlapping_windows_take_the_larger_logit() -> None:
    first, second = Window(0, 0, 4, 4), Window(0, 2, 4, 4)
    sure, unsure, whole = _seen(3), _seen(-2), _seen(7)
    expected = np.array([3, 3, 3, 3, -2, -2, 7, 7], np.float32)
    for windows in ([(first, sure), (second, unsure)], [(second, unsure), (first, sure)]):
        full = CloseUpLogits(whole, windows, shift=0.0).at(4, 8)
        np.testing.assert_array_equal(full, np.tile(expected, (4, 1)))
    shifted = CloseUpLogits(whole, [(first, sure)], shift=-0.5).at(4, 8)
    np.testing.assert_array_equal(shifted[0], [2.5, 2.5, 2.5, 2.5, 7, 7, 7, 7])


def _redness() -> np.ndarray:
    """A pixel classifier that keeps nothing of the logit, and calls red what is object."""
    numbers = np.zeros(PIXEL_CLASSIFIER_SIZE, np.float32)
    numbers[0] = 1
    numbers[1 + PIXEL_FEATURES : 1 + 2 * PIXEL_FEATURES] = 1  # the features as they are
    terms = np.zeros((PIXEL_FEATURES + 1, PIXEL_FEATURES + 1), np.float32)
    terms[1, -1], terms[-1, -1] = 4, -4  # of the sharpest red, which is 2 at most
    numbers[1 + 2 * PIXEL_FEATURES :] = terms[np.triu_indices(PIXEL_FEATURES + 1)]
    return numbers


def test_a_class_with_a_pixel_classifier_is_told_by_its_colours() -> None:
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:, 16:, 0] = 255
    seen = SeenLogits(np.full((2, 2), -1, np.float32), PixelColours(pixels), _redness())
    assert seen.may_reach(0.0)  # though no cell does
    marked = seen.at(64, 64) >= 0
    assert not marked[:, :28].any()
    assert marked[:, 36:].all()
    # Of a close-up, by the pixels of the close-up.
    whole, window = SeenLogits(np.full((2, 2), -1, np.float32), BLACK), Window(8, 8, 32, 32)
    marked = CloseUpLogits(whole, [(window, seen)]).at(64, 64) >= 0
    assert not marked[:, :22].any()
    assert marked[10:38, 27:40].all()
    assert not marked[:, 40:].any()


@pytest.mark.parametrize("own", [-1, -9])  # so low that a tile of it would show nothing
def test_tiles_are_told_by_their_colours(own: float) -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, 20:, 0] = 255
    grid = Grid.over(64, 64, 32, max_tiles=100)
    logits, presence = np.full((grid.tiles, 2, 2), own, np.float32), np.ones(grid.tiles, np.float32)
    marked = [
        TiledLogits(image, grid, logits, [classifier] * grid.tiles, presence, 0.5, 32).at(64, 64)
        >= 0
        for classifier in (None, _redness())
    ]
    assert not marked[0].any()
    assert not marked[1][:, :16].any()
    assert marked[1][:, 25:].all()


def test_a_whole_that_pixels_tell_of_is_averaged_with_its_close_ups() -> None:
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:, 16:, 0] = 255
    whole = SeenLogits(np.zeros((2, 2), np.float32), PixelColours(pixels), _redness())
    alone = whole.at(64, 64)
    first, second = Window(0, 0, 32, 64), Window(16, 0, 32, 64)
    full = CloseUpLogits(whole, [(first, _seen(2)), (second, _seen(4))], shift=1.0).at(64, 64)
    # Seen at twice the area of the whole, a close-up counts twice as much.
    np.testing.assert_allclose(full[:16], (alone[:16] + 2 * 3) / 3, atol=1e-5)
    np.testing.assert_allclose(full[16:32], (full[:16] + 2 * 5) / 3, atol=1e-5)  # the surer one
    np.testing.assert_allclose(full[32:48], (alone[32:48] + 2 * 5) / 3, atol=1e-5)
    np.testing.assert_array_equal(full[48:], alone[48:])


def test_edges_of_a_tile_that_pixels_tell_of_are_where_these_are() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    logits = np.full((1, 2, 2), -1, np.float32)
    whole, one = Grid.over(32, 32, 32, max_tiles=1), np.ones(1, np.float32)
    tiled = TiledLogits(image, whole, logits, [_redness()], one, 0.5, 32).at(32, 32)
    np.testing.assert_allclose(
        tiled, SeenLogits(logits[0], PixelColours(image), _redness()).at(32, 32), atol=0.01
    )
