"""Totals of intersection and union, with tables of tiny masks."""

import numpy as np
import pytest

from model.evaluation import IoUTotals, LabelMapTotals

I = 255  # noqa: E741  (reads as a cell of the tables below)


@pytest.mark.parametrize(
    ("prediction", "label", "iou", "fb_iou"),
    [
        ([1, 1, 0, 0], [1, 1, 0, 0], 1.0, 1.0),
        ([0, 0, 1, 1], [1, 1, 0, 0], 0.0, 0.0),
        ([1, 0, 0, 0], [1, 1, 0, 0], 1 / 2, (1 / 2 + 2 / 3) / 2),
        ([1, 1, 1, 0], [1, 1, 0, 0], 2 / 3, (2 / 3 + 1 / 2) / 2),
        ([1, 1, 1, 0], [1, 1, I, 0], 1.0, 1.0),
        ([1, 0, 0, 0], [1, I, I, 0], 1.0, 1.0),
        ([1, 1, 0, 0], [I, 0, I, I], 0.0, 0.0),
    ],
    ids=[
        "equal", "inverted", "half found", "one too many", "ignored in prediction",
        "ignored in label", "absent and predicted",
    ],
)  # fmt: skip
def test_one_query(prediction: list[int], label: list[int], iou: float, fb_iou: float) -> None:
    totals = IoUTotals()
    totals.update(3, np.array([prediction], bool), np.array([label], np.uint8))
    assert totals.class_iou() == {3: pytest.approx(iou)}
    assert totals.mean_iou() == pytest.approx(iou)
    assert totals.fb_iou() == pytest.approx(fb_iou)


def test_totals_add_pixels_within_a_class_and_average_over_classes() -> None:
    totals = IoUTotals()
    totals.update(1, np.array([[1, 1, 1, 1]], bool), np.array([[1, 1, 1, 1]], np.uint8))
    totals.update(1, np.array([[0, 0, 0, 0]], bool), np.array([[1, 0, 0, 0]], np.uint8))
    totals.update(2, np.array([[1, 1, 0, 0]], bool), np.array([[1, 0, 0, 0]], np.uint8))
    assert totals.class_iou() == {1: pytest.approx(4 / 5), 2: pytest.approx(1 / 2)}
    assert totals.mean_iou() == pytest.approx(0.65)
    assert totals.fb_iou() == pytest.approx((5 / 7 + 5 / 7) / 2)


@pytest.mark.parametrize(
    ("prediction", "label"),
    [([0, 0, 0, 0], [0, 0, 0, 0]), ([1, 1, 1, 1], [I, I, I, I])],
    ids=["absent and not predicted", "all ignored"],
)
def test_a_class_that_is_nowhere_has_no_iou(prediction: list[int], label: list[int]) -> None:
    totals = IoUTotals()
    totals.update(3, np.array([prediction], bool), np.array([label], np.uint8))
    assert totals.class_iou() == {}
    for mean in (totals.mean_iou, totals.fb_iou):
        with pytest.raises(ValueError, match="labelled or predicted"):
            mean()
    totals.update(1, np.array([[1, 0]], bool), np.array([[1, 1]], np.uint8))
    assert totals.class_iou() == {1: pytest.approx(1 / 2)}
    assert totals.mean_iou() == pytest.approx(1 / 2)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"\(2, 2\).*\(2, 3\)"):
        IoUTotals().update(1, np.zeros((2, 2), bool), np.zeros((2, 3), np.uint8))


def test_a_label_holds_no_other_class() -> None:
    with pytest.raises(ValueError, match="0, 1 and 255"):
        IoUTotals().update(1, np.zeros((1, 2), bool), np.array([[0, 2]], np.uint8))


def test_mean_iou_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no episode"):
        IoUTotals().mean_iou()


def test_fb_iou_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no episode"):
        IoUTotals().fb_iou()


def test_label_maps_count_each_class_and_the_background() -> None:
    totals = LabelMapTotals()
    totals.update(np.array([[0, 1, 2, 2]]), np.array([[0, 1, 1, I]], np.uint8))
    totals.update(np.array([[1, 0, 7, 7]]), np.array([[1, 0, 7, 0]], np.uint8))
    assert totals.class_iou() == {
        0: pytest.approx(2 / 3),
        1: pytest.approx(2 / 3),
        2: pytest.approx(0),
        7: pytest.approx(1 / 2),
    }


def test_label_maps_of_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 2\).*\(2, 3\)"):
        LabelMapTotals().update(np.zeros((2, 2), np.int64), np.zeros((2, 3), np.uint8))
