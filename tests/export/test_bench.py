"""The benchmark measures one function on both of its sides."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from export import bench, bench_gpu, bench_head, bench_tiers
from export.bench import CASES, TOLERANCE, Row, as_table, bench_preset, main
from export.benchmarks.sides import OBJECT_SHARE, EagerSide, EngineSide, Sides, make_inputs
from export.rendered import rendered_defects
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


def test_one_logit_that_is_no_number_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = np.ones((1, 4, 4), np.float32)
    answers = iter([right, right, np.full_like(right, np.nan), right])  # of a warm-up first

    @contextmanager
    def sides(*_: object, **__: object) -> Iterator[Sides]:
        eager, cached, engine = Mock(), Mock(), Mock()
        eager.segment.return_value = engine.segment.return_value = right
        cached.segment.side_effect = lambda *_: next(answers)
        yield Sides(eager, cached, engine)

    monkeypatch.setattr(bench, "all_sides", sides)
    monkeypatch.setattr(bench, "CASES", CASES[:1])
    assert main(["--presets", "lite", "--repeats", "3"]) == 1
    assert "logits differ by nan" in capsys.readouterr().err


COMMANDS = [bench.main, bench_head.main, bench_tiers.main, bench_gpu.main]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_side_of_too_few_cells_is_refused(
    command: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str]
) -> None:
    gpu = command is bench_gpu.main
    words = ["--preset" if gpu else "--presets", "lite", *(["--device", "cpu"] if gpu else [])]
    with pytest.raises(SystemExit, match="2"):
        command([*words, "--side", "33"])
    assert "lite: an input of 33 px has 3 cells a side" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("presets", "side", "problem"),
    [(["lite", "base"], "63", "a multiple of 16 plus 1"), (["vgg16"], "5", "5 px has no cell")],
)
def test_a_side_that_a_backbone_cannot_take_is_refused(
    presets: list[str], side: str, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--presets", *presets, "--side", side])
    assert problem in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_where_no_rows_can_be_written_is_told_before_anything_is_measured(
    command: Callable[[list[str]], int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match="2"):
        command(["--json", str(tmp_path / "file" / "rows.json")])
    assert "argument --json: cannot make the folder" in capsys.readouterr().err


def test_of_a_small_side_larger_defects_are_rendered() -> None:
    for side, rendered in ((49, 64), (97, 97)):
        image, label = rendered_defects(per_class=1, side=side).read(0)
        assert image.shape[:2] == label.shape == (rendered, rendered)


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
