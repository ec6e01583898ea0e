"""The benchmark of the head runs all classes at once and one by one."""

import json
from pathlib import Path

import pytest

from export.bench_head import main


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


def test_a_folder_without_a_bundle_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--bundle", str(tmp_path)]) == 2
    assert capsys.readouterr().err
