"""The benchmark measures one function on both of its sides."""

from dataclasses import replace

import numpy as np
import pytest

from export import bench
from export.bench import CASES, TOLERANCE, Row, as_table, bench_preset, main
from export.benchmarks.sides import OBJECT_SHARE, EagerSide, EngineSide, make_inputs
from model.build import PRESETS
from model.runtime import BundleRuntime
from tests.export.exported import Exported

SIDE = 97

ROW = Row(
    preset="lite",
    case="1-shot",
    input_side=SIDE,
    threads=1,
    repeats=3,
    eager_ms=30.0,
    cached_ms=18.0,
    engine_ms=12.0,
    registration_ms=5.0,
    ratio=2.5,
    ratio_min=2.0,
    ratio_max=3.0,
    cached_ratio=1.5,
    max_difference=5 * TOLERANCE,
    max_logit=10.0,
)


def test_both_sides_agree_on_every_case() -> None:
    rows = bench_preset(PRESETS["lite"]().at_side(SIDE), repeats=2, threads=1)
    assert [row.case for row in rows] == [case.name for case in CASES]
    for row in rows:
        assert row.max_difference < TOLERANCE * row.max_logit
        assert row.repeats == 2
        assert 0 < row.ratio_min <= row.ratio <= row.ratio_max
        assert row.ratio == pytest.approx(row.eager_ms / row.engine_ms)
        assert row.cached_ratio == pytest.approx(row.cached_ms / row.engine_ms)
    assert rows[-1].cached_ms < rows[-1].eager_ms  # 25 supports that it need not encode


def test_sides_with_other_supports_differ(exported: Exported) -> None:
    inputs = make_inputs(classes=1, shots=2, side=SIDE)
    turned = inputs._replace(supports=np.ascontiguousarray(inputs.supports[:, :, ::-1]))
    engine = EngineSide(BundleRuntime(exported.bundle, intra_op_threads=1))
    expected = EagerSide(exported.network).segment(inputs)
    found, of_others = (
        engine.segment(each.query, engine.register(each)) for each in (inputs, turned)
    )
    tolerance = TOLERANCE * np.abs(expected).max()
    assert np.abs(found - expected).max() < tolerance
    assert np.abs(of_others - expected).max() > 100 * tolerance


@pytest.mark.parametrize("difference", [11 * TOLERANCE, float("nan")])
def test_sides_that_differ_fail_the_command(
    difference: float, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [ROW]
    monkeypatch.setattr(bench, "bench_preset", lambda *_, **__: rows)
    assert main(["--presets", "lite"]) == 0
    rows.append(replace(ROW, max_difference=difference))
    assert main(["--presets", "lite"]) == 1
    assert "lite 1-shot: logits differ" in capsys.readouterr().err


def test_the_table_shows_each_rows_ratio_and_its_bounds() -> None:
    header, line = as_table([ROW]).splitlines()
    assert len(header) == len(line)
    assert "2.5x" in line
    assert "2.0-3.0" in line


def test_every_support_has_an_object_of_the_stated_share() -> None:
    inputs = make_inputs(classes=2, shots=3, side=SIDE)
    assert inputs.supports.shape == (2, 3, SIDE, SIDE, 3)
    assert inputs.masks.mean(axis=(2, 3)) == pytest.approx(OBJECT_SHARE, rel=0.05)
    flat = inputs.supports.reshape(6, -1)
    assert len(np.unique(flat, axis=0)) == 6
