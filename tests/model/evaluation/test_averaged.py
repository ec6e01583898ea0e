"""Averaging over scales and mirrored queries."""

from collections.abc import Hashable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from model.evaluation.averaged import AveragedSegmenter, side_at_scale
from model.evaluation.prediction import Prediction

IMAGE = np.zeros((4, 6, 3), np.uint8)
MASK = np.ones((4, 6), np.bool_)


class Constant:
    """Answers one logit everywhere, plus `slope` a column from the left, on a grid of its own."""

    def __init__(self, logit: float, *, side: int = 2, slope: float = 0.0) -> None:
        self._logit, self._side, self._slope = logit, side, slope
        self.keys: list[Hashable] = []

    def add_support(
        self, key: Hashable, image: NDArray[np.uint8], mask: NDArray[np.bool_]
    ) -> object:
        return self._side

    def segment(
        self, key: Hashable, image: NDArray[np.uint8], supports: Sequence[object]
    ) -> Prediction:
        assert list(supports) == [self._side]  # each member is given its own supports
        self.keys.append(key)
        row = self._logit + self._slope * np.arange(self._side)
        return Prediction(np.tile(row, (self._side, 1)).astype(np.float32), self._side / 10)


def _ask(segmenter: AveragedSegmenter) -> Prediction:
    return segmenter.segment("query", IMAGE, [segmenter.add_support("support", IMAGE, MASK)])


def test_probabilities_are_averaged_and_not_logits() -> None:
    members = (Constant(0.0), Constant(float(np.log(9)), side=3))  # probabilities 0.5 and 0.9
    logits, presence = _ask(AveragedSegmenter(members, flip=False, side=None))
    assert logits.shape == (4, 6)
    np.testing.assert_allclose(logits, np.log(0.7 / 0.3), rtol=1e-5)
    assert presence == pytest.approx((0.2 + 0.3) / 2)


def test_probabilities_are_averaged_at_the_size_of_the_label() -> None:
    assert _ask(AveragedSegmenter((Constant(0.0),), flip=False, side=5)).logits.shape == (5, 5)


def test_the_answer_to_the_mirrored_query_is_mirrored_back() -> None:
    member = Constant(0.0, slope=2.0)
    logits, _ = _ask(AveragedSegmenter((member,), flip=True, side=2))
    # The network prefers the right column, so the mean of both views prefers none.
    np.testing.assert_allclose(logits, np.log(0.69040 / 0.30960), rtol=1e-3)
    assert len(set(member.keys)) == 2  # what is kept of one view is not used for the other


@pytest.mark.parametrize(
    ("side", "scale", "stride", "expected"),
    [
        (473, 1.0, 8, 473),
        (473, 0.8, 8, 377),
        (473, 1.2, 8, 569),
        (337, 0.8, 16, 273),
        (480, 1, 8, 480),
    ],
)
def test_sides_stay_multiples_of_the_stride_plus_one(
    side: int, scale: float, stride: int, expected: int
) -> None:
    assert side_at_scale(side, scale, stride) == expected


def test_a_scale_is_positive() -> None:
    with pytest.raises(ValueError, match="positive number, not -1"):
        side_at_scale(473, -1, 8)
