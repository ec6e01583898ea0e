"""Which threshold a class has, in whole images and in close-ups."""

from dataclasses import replace

import numpy as np
import pytest

from model.contract import JUDGEMENT_SIZE, SupportPrototype, SupportSet
from service.sessions.thresholds import Thresholds

OWN = 0.4
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


def test_a_number_is_for_all_and_for_every_view(judged: SupportSet) -> None:
    thresholds = Thresholds(0.7, calibrated=False)
    assert [thresholds.of(judged), thresholds.of(judged, _class(refit=True))] == [0.7, 0.7]


def test_a_view_with_a_refit_has_the_models_threshold(judged: SupportSet) -> None:
    thresholds = Thresholds(OWN, calibrated=True)
    assert thresholds.of(judged) > OWN
    assert thresholds.of(judged, _class(refit=True)) == OWN
    assert thresholds.of(judged, _class()) == thresholds.of(judged)


def test_a_whole_with_a_refit_has_the_models_threshold_in_close_ups_too(judged: SupportSet) -> None:
    thresholds = Thresholds(OWN, calibrated=True)
    fitted = replace(judged, refit=_REFIT)
    assert [thresholds.of(fitted), thresholds.of(fitted, _class())] == [OWN, OWN]
