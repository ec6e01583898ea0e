"""From logits to labels, on maps small enough to write down."""

import numpy as np
import pytest
from numpy.typing import NDArray

from service.sessions.labelling import Labels, describe_classes, label_pixels

INF = np.inf


def maps(*rows: list[list[float]]) -> NDArray[np.float32]:
    return np.array(rows, np.float32)


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        (0.5, [[1, 2], [0, 2]]),
        (0.0, [[1, 2], [1, 2]]),
        (1.0, [[0, 0], [0, 0]]),
        (0.9, [[1, 0], [0, 2]]),  # logit 2.197
    ],
)
def test_best_class_above_the_threshold(threshold: float, expected: list[list[int]]) -> None:
    logits = maps([[3, 0], [-1, -4]], [[1, 2], [-2, 5]])
    labels = label_pixels(logits, 2, 2, threshold)
    np.testing.assert_array_equal(labels.class_index, expected)
    np.testing.assert_array_equal(labels.logit, [[3, 2], [-1, 5]])


def test_probability_at_the_threshold_counts() -> None:
    assert label_pixels(maps([[0.0]]), 1, 1, 0.5).class_index[0, 0] == 1


def test_first_class_wins_a_tie() -> None:
    labels = label_pixels(maps([[1.0]], [[1.0]]), 1, 1, 0.5)
    assert labels.class_index[0, 0] == 1


def test_255_classes_fit() -> None:
    logits = np.arange(255, dtype=np.float32).reshape(255, 1, 1)
    assert label_pixels(logits, 1, 1, 0.5).class_index[0, 0] == 255


def test_score_is_the_mean_probability_inside() -> None:
    index = np.array([[1, 1, 0], [2, 0, 0]], np.uint8)
    logit = np.array([[0, np.log(3), -9], [200, -9, -200]], np.float32)
    result = describe_classes(Labels(index, logit), ["a", "b", "c"], "rle")
    assert [entry.score for entry in result.classes] == pytest.approx([(0.5 + 0.75) / 2, 1.0, 0.0])
    assert [entry.area for entry in result.classes] == [2, 1, 0]
    assert [entry.bbox for entry in result.classes] == [(0, 0, 2, 1), (0, 1, 1, 1), None]
