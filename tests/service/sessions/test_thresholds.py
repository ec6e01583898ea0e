"""Which threshold a class has, in whole images, close-ups and tiles."""

from dataclasses import replace

import numpy as np
import pytest

from model.contract import JUDGEMENT_SIZE, SupportPrototype, SupportSet, logit
from service.sessions.thresholds import ClassThresholds, ThresholdRule

OWN = 0.4
USUAL = ThresholdRule(OWN, calibrated=True)
_REFIT = np.zeros(8, np.float32)


def _class(refit: bool = False) -> SupportSet:
    vector = np.zeros(3, np.float16)
    shot = SupportPrototype(vector, vector, vector, vector[None])
    return SupportSet((shot,), _REFIT if refit else None)


@pytest.fixture
def judged() -> SupportSet:
    """A class whose shot was found best at the highest threshold there is."""
    row = np.zeros((1, JUDGEMENT_SIZE), np.float32)
    row[0, 0], row[0, -1] = 2 / 256, 1
    return replace(_class(), judgements=row)


def thresholds(
    supports: SupportSet, view: SupportSet, asked: ThresholdRule = USUAL
) -> ClassThresholds:
    """Those of a class, of which close-ups and tiles show one view."""
    return ClassThresholds.of(replace(supports, close_up=view), view, asked=asked, usual=USUAL)


def test_a_number_is_for_all_and_for_every_view(judged: SupportSet) -> None:
    found = thresholds(judged, _class(refit=True), ThresholdRule(0.7, calibrated=False))
    assert (found.whole, found.close_up, found.tiles) == (0.7, 0.7, 0.7)
    assert found.search == thresholds(judged, _class()).search  # which no request changes


def test_a_view_with_a_refit_has_the_models_threshold(judged: SupportSet) -> None:
    fitted, plain = thresholds(judged, _class(refit=True)), thresholds(judged, _class())
    assert fitted.whole > OWN
    assert (fitted.close_up, fitted.tiles) == (OWN, OWN)
    assert plain == (fitted.whole,) * 4


def test_a_whole_with_a_refit_has_the_models_threshold_in_close_ups_too(judged: SupportSet) -> None:
    assert thresholds(replace(judged, refit=_REFIT), _class()) == (OWN,) * 4


@pytest.mark.parametrize("threshold", [0.0, 0.3, 1.0])
def test_equal_thresholds_shift_no_close_up(threshold: float) -> None:
    assert ClassThresholds(*[threshold] * 4).close_up_shift == 0.0


def test_a_close_up_at_its_threshold_is_shifted_to_that_of_the_whole() -> None:
    found = ClassThresholds(whole=0.7, close_up=0.4, tiles=0.7, search=0.7)
    assert logit(0.4) + found.close_up_shift == pytest.approx(logit(0.7))
