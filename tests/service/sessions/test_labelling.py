"""From logits to labels, on maps small enough to write down."""

import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from model.runtime import PixelColours
from service.schemas import MAX_CLASSES
from service.sessions.full_size_logits import SeenLogits
from service.sessions.labelling import ClassPrediction, Labels, describe_classes, label_pixels
from service.sessions.pool import AbandonedError

# pycocotools is older than NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

INF = np.inf


def asked(
    logits: NDArray[np.float32], number: int = 1, presence: float = 0.9, threshold: float = 0.5
) -> ClassPrediction:
    name = "abc"[number % 3]
    seen = SeenLogits(logits, PixelColours(np.zeros((8, 8, 3), np.uint8)))
    return ClassPrediction(number, name, seen, presence, presence >= 0.5, threshold)


def maps(*rows: list[list[float]], threshold: float = 0.5) -> list[ClassPrediction]:
    return [
        asked(np.array(row, np.float32), number, threshold=threshold)
        for number, row in enumerate(rows, start=1)
    ]


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
    predictions = maps([[3, 0], [-1, -4]], [[1, 2], [-2, 5]], threshold=threshold)
    labels = label_pixels(predictions, 2, 2)
    np.testing.assert_array_equal(labels.class_index, expected)
    marked = labels.class_index > 0
    np.testing.assert_array_equal(labels.logits[marked], np.array([[3, 2], [-1, 5]])[marked])


def test_a_class_that_reaches_its_threshold_nowhere_takes_no_pixel() -> None:
    faint = asked(np.array([[2.0, 1.0, -9.0]], np.float32), 1, threshold=0.99)
    other = asked(np.array([[-5.0, 3.0, -5.0]], np.float32), 2, threshold=0.5)
    labels = label_pixels([faint, other], 1, 3)
    np.testing.assert_array_equal(labels.class_index, [[0, 2, 0]])


def test_each_class_has_a_threshold_of_its_own() -> None:
    strict = asked(np.array([[2.0, 2.0, -1.0]], np.float32), 1, threshold=0.9)
    lenient = asked(np.array([[1.0, -3.0, -1.0]], np.float32), 2, threshold=0.5)
    labels = label_pixels([strict, lenient], 1, 3)
    np.testing.assert_array_equal(labels.class_index, [[2, 0, 0]])


def test_probability_at_the_threshold_counts() -> None:
    assert label_pixels(maps([[0.0]]), 1, 1).class_index[0, 0] == 1


def test_first_class_wins_a_tie() -> None:
    labels = label_pixels(maps([[1.0]], [[1.0]]), 1, 1)
    assert labels.class_index[0, 0] == 1


def test_as_many_classes_fit_as_a_session_may_have() -> None:
    classes = [asked(np.full((1, 1), i, np.float32), i) for i in range(1, MAX_CLASSES + 1)]
    assert label_pixels(classes, 1, 1).class_index[0, 0] == MAX_CLASSES


def test_score_is_the_mean_probability_inside() -> None:
    index = np.array([[1, 1, 0], [2, 0, 0]], np.uint8)
    logits = np.array([[0, np.log(3), -9], [200, -9, -200]], np.float32)
    predictions = [asked(logits, number, presence=0.4 + number / 10) for number in (1, 2, 3)]
    result = describe_classes(Labels(index, logits), predictions, "rle")
    assert [entry.presence for entry in result.classes] == pytest.approx([0.5, 0.6, 0.7])
    assert [entry.score for entry in result.classes] == pytest.approx([(0.5 + 0.75) / 2, 1.0, 0.0])
    assert [entry.area for entry in result.classes] == [2, 1, 0]
    assert [entry.bbox for entry in result.classes] == [(0, 0, 2, 1), (0, 1, 1, 1), None]


def test_a_class_keeps_its_number_when_another_is_left_out() -> None:
    first, _, third = maps([[-1, -1]], [[9, 9]], [[1, -1]])
    labels = label_pixels([first, third], 1, 2)
    np.testing.assert_array_equal(labels.class_index, [[3, 0]])
    assert [entry.area for entry in describe_classes(labels, [first, third], "rle").classes] == [
        0,
        1,
    ]


def test_an_image_without_any_class_is_background() -> None:
    labels = label_pixels([], 2, 3)
    np.testing.assert_array_equal(labels.class_index, np.zeros((2, 3)))
    assert describe_classes(labels, [], "rle").classes == []


def test_polygons_of_labels_neither_overlap_nor_leave_a_gap() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        height, width = rng.integers(2, 30, 2).tolist()
        index = rng.integers(0, 4, (height, width)).astype(np.uint8)
        logits = np.ones((height, width), np.float32)
        predictions = [asked(logits, number) for number in (1, 2, 3)]
        result = describe_classes(Labels(index, logits), predictions, "polygon")
        painted = np.zeros((height, width), int)
        for number, found in enumerate(result.classes, start=1):
            for polygon in found.mask:
                (outline,) = coco_mask.frPyObjects([polygon], height, width)
                painted += number * coco_mask.decode(outline).astype(int)
        np.testing.assert_array_equal(painted, index)


def test_work_that_nobody_waits_for_ends_before_the_next_class() -> None:
    predictions, begun = maps([[1, 0]], [[0, 1]], [[2, 2]]), 0

    def until_the_second() -> None:
        nonlocal begun
        begun += 1
        if begun == 2:
            raise AbandonedError

    with pytest.raises(AbandonedError):
        label_pixels(predictions, 1, 2, until_the_second)
    assert begun == 2
    labels, begun = label_pixels(predictions, 1, 2), 0
    with pytest.raises(AbandonedError):
        describe_classes(labels, predictions, "rle", until_the_second)
    assert begun == 2
