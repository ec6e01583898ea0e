"""The benchmark measures one function on both of its sides."""

from dataclasses import replace

import numpy as np
import pytest

from export.bench import CASES, TOLERANCE, Row, as_table, bench_preset, report_disagreement
from export.bench_sides import OBJECT_SHARE, make_episode
from model.build import PRESETS

SIDE = 97

ROW = Row(
    preset="lite",
    case="1-shot",
    input_side=SIDE,
    threads=1,
    repeats=3,
    eager_ms=30.0,
    engine_ms=12.0,
    registration_ms=5.0,
    ratio=2.5,
    ratio_min=2.0,
    ratio_max=3.0,
    max_difference=TOLERANCE / 2,
)


def test_both_sides_agree_on_every_case() -> None:
    rows = bench_preset(PRESETS["lite"]().at_side(SIDE), repeats=2, threads=1)
    assert [row.case for row in rows] == [case.name for case in CASES]
    for row in rows:
        assert row.max_difference < TOLERANCE
        assert row.repeats == 2
        assert 0 < row.ratio_min <= row.ratio <= row.ratio_max
        assert row.ratio == pytest.approx(row.eager_ms / row.engine_ms)


@pytest.mark.parametrize("difference", [TOLERANCE, float("nan")])
def test_sides_that_part_fail_the_command(
    difference: float, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report_disagreement([ROW]) == 0
    assert report_disagreement([ROW, replace(ROW, max_difference=difference)]) == 1
    assert "lite 1-shot" in capsys.readouterr().err


def test_the_table_shows_each_rows_ratio_and_its_bounds() -> None:
    header, line = as_table([ROW]).splitlines()
    assert len(header) == len(line)
    assert "2.5x" in line
    assert "2.0-3.0" in line


def test_every_support_has_an_object_of_the_stated_share() -> None:
    episode = make_episode(classes=2, shots=3, side=SIDE)
    assert episode.supports.shape == (2, 3, SIDE, SIDE, 3)
    assert episode.masks.mean(axis=(2, 3)) == pytest.approx(OBJECT_SHARE, rel=0.05)
    flat = episode.supports.reshape(6, -1)
    assert len(np.unique(flat, axis=0)) == 6
