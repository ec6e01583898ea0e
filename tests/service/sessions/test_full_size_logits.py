"""Logits of the whole and of close-ups, rendered at the size of an image."""

import numpy as np

from model.runtime import Window
from service.sessions.full_size_logits import CloseUpLogits


def test_overlapping_windows_take_the_larger_logit() -> None:
    first, second = Window(0, 0, 4, 4), Window(0, 2, 4, 4)
    sure, unsure = np.full((2, 2), 3, np.float32), np.full((2, 2), -2, np.float32)
    whole = np.full((2, 2), 7, np.float32)
    expected = np.array([3, 3, 3, 3, -2, -2, 7, 7], np.float32)
    for windows in ([(first, sure), (second, unsure)], [(second, unsure), (first, sure)]):
        full = CloseUpLogits(whole, windows, shift=0.0).at(4, 8)
        np.testing.assert_array_equal(full, np.tile(expected, (4, 1)))
    shifted = CloseUpLogits(whole, [(first, sure)], shift=-0.5).at(4, 8)
    np.testing.assert_array_equal(shifted[0], [2.5, 2.5, 2.5, 2.5, 7, 7, 7, 7])
