"""The threshold that a class's shots speak for."""

import numpy as np
import pytest

from service.sessions.judging.calibration import calibrated_threshold
from service.sessions.judging.signals import THRESHOLDS


def curve(*best: float) -> list[float]:
    """IoU of 1 at these thresholds, of 0.5 at the others."""
    return [1.0 if each in best else 0.5 for each in THRESHOLDS]


@pytest.mark.parametrize("shots", [1, 2, 16])
def test_more_shots_weigh_more(shots: int) -> None:
    found = calibrated_threshold([curve(0.8)] * shots, 0.4)
    assert found == pytest.approx(0.4 + 0.4 * shots / (shots + 2))


def test_shots_that_tell_nothing_leave_the_models_own() -> None:
    """Of an object of a few pixels in a large image, as it is judged, nothing is left."""
    nothing = [0.0] * len(THRESHOLDS)
    assert calibrated_threshold([], 0.4) == 0.4
    assert calibrated_threshold([nothing] * 5, 0.4) == 0.4
    telling = calibrated_threshold([curve(0.8)], 0.4)
    assert calibrated_threshold([nothing, curve(0.8), nothing], 0.4) == telling


def test_of_equally_good_thresholds_the_nearest_is_taken() -> None:
    flat = np.full(len(THRESHOLDS), 0.7).tolist()
    assert calibrated_threshold([flat], 0.4) == pytest.approx(0.4)
    assert calibrated_threshold([curve(0.1, 0.3, 0.9)], 0.4, own_weight=0) == pytest.approx(0.3)
