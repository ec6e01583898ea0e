"""The benchmark of the head runs all classes at once and one by one."""

import json
from pathlib import Path

import pytest

from export.bench_head import main
from tests.export.exported import Exported

ROOT = Path(__file__).parents[2]


def test_the_command_prints_and_writes_both_ways_and_their_share(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "head.json"
    asked = "--presets lite --side 97 --classes 3 --repeats 2 --threads 1 --json"
    assert main([*asked.split(), str(out)]) == 0
    (row,) = json.loads(out.read_text(encoding="utf-8"))
    assert (row["classes"], row["shots"], row["input_side"]) == (3, 1, 97)
    assert row["share"] == pytest.approx(row["together_ms"] / row["apart_ms"])
    assert f"{row['share']:.2f}" in capsys.readouterr().out


def test_shipped_bundles_are_timed_in_several_precisions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lite, out = str(ROOT / "model/bundles/lite"), tmp_path / "head.json"
    asked = ["--bundle", lite, lite, "--precision", "fp32", "int8", "--classes", "2"]
    assert main([*asked, "--repeats", "1", "--json", str(out)]) == 0
    rows = json.loads(out.read_text(encoding="utf-8"))
    assert [row["precision"] for row in rows] == ["fp32", "int8"] * 2
    assert {(row["bundle"], row["input_side"]) for row in rows} == {("lite", 337)}
    assert "int8" in capsys.readouterr().out


def test_a_precision_without_a_bundle_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--precision", "int8"])
    assert "--bundle" in capsys.readouterr().err


def test_a_tier_that_is_missing_is_told(
    exported: Exported, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--bundle", str(exported.bundle), "--precision", "int8"]) == 2
    assert "no int8 tier" in capsys.readouterr().err


def test_a_folder_without_a_bundle_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--bundle", str(tmp_path)]) == 2
    assert capsys.readouterr().err
