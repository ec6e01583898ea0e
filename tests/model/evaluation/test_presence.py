"""AUROC and threshold of a presence score."""

import numpy as np
import pytest

from model.evaluation.presence import presence_auroc, youden_threshold


def test_auroc_is_the_chance_of_a_right_order() -> None:
    assert presence_auroc([True, True, False, False], [0.9, 0.4, 0.6, 0.1]) == pytest.approx(0.75)


def test_the_threshold_lies_between_separable_scores() -> None:
    assert youden_threshold([True, True, False, False], [0.9, 0.7, 0.2, 0.1]) == pytest.approx(0.45)


def test_the_threshold_is_right_most_often_for_both_kinds() -> None:
    present = [True, True, True, True, False, False]
    # 0.8 would keep half of the present, 0.5 three quarters, 0.3 all but one absent image too.
    assert youden_threshold(present, [0.9, 0.8, 0.5, 0.2, 0.3, 0.1]) == pytest.approx(0.4)


def test_a_useless_score_still_gives_a_finite_threshold() -> None:
    assert np.isfinite(youden_threshold([True, False], [0.2, 0.7]))


@pytest.mark.parametrize("judge", [presence_auroc, youden_threshold])
def test_both_kinds_of_image_are_needed(judge: object) -> None:
    assert callable(judge)
    with pytest.raises(ValueError, match="with and without the class"):
        judge([True, True], [0.1, 0.2])
