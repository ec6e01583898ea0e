"""What windows and the whole say of a class, as one map of the image."""

import numpy as np

from model.runtime import Window
from service.sessions.mosaic import NearLogits


def test_what_two_windows_show_is_marked_where_either_does() -> None:
    first, second = Window(0, 0, 4, 4), Window(0, 2, 4, 4)
    sure, unsure = np.full((2, 2), 3, np.float32), np.full((2, 2), -2, np.float32)
    whole = np.full((2, 2), 7, np.float32)
    expected = np.array([3, 3, 3, 3, -2, -2, 7, 7], np.float32)
    for windows in ([(first, sure), (second, unsure)], [(second, unsure), (first, sure)]):
        blended = NearLogits(whole, windows, shift=0.0).blended(4, 8)
        np.testing.assert_array_equal(blended, np.tile(expected, (4, 1)))
    shifted = NearLogits(whole, [(first, sure)], shift=-0.5).blended(4, 8)
    np.testing.assert_array_equal(shifted[0], [2.5, 2.5, 2.5, 2.5, 7, 7, 7, 7])
