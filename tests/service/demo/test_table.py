"""Scores and their table."""

import numpy as np
import pytest

from service.demo.table import Row, format_table, iou


@pytest.mark.parametrize(
    ("predicted", "truth", "expected"),
    [
        ([1, 1, 0, 0], [1, 1, 0, 0], 1.0),
        ([1, 0, 0, 0], [1, 1, 0, 0], 0.5),
        ([0, 0, 1, 1], [1, 1, 0, 0], 0.0),
        ([1, 1, 1, 0], [0, 1, 1, 1], 0.5),
        ([0, 0, 0, 0], [0, 0, 0, 0], None),
        ([1, 1, 0, 0], [0, 0, 0, 0], None),
    ],
)
def test_iou(predicted: list[int], truth: list[int], expected: float | None) -> None:
    masks = [np.array(mask, np.bool_).reshape(2, 2) for mask in (predicted, truth)]
    assert iou(masks[0], masks[1]) == expected


def test_table_is_aligned_and_ends_with_the_means() -> None:
    rows = [
        Row("query_1", "duck", 0.5, 0.2, 90.0),
        Row("query_1", "pit", None, 0.015, 90.0),
        Row("query_10", "pit", 1.0, 0.1, 120.4),
    ]
    assert format_table(rows).splitlines() == [
        "image     class    IoU   ms",
        "-" * 49,
        "query_1   duck   0.500   90",
        "query_1   pit        -   90  absent, 1.5% painted",
        "query_10  pit    1.000  120",
        "-" * 49,
        "mean             0.750  100",
    ]


def test_table_without_a_score_has_no_mean_score() -> None:
    last = format_table([Row("query_1", "pit", None, 0.0, 10.0)]).splitlines()[-1]
    assert last.split() == ["mean", "-", "10"]
