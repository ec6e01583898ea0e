"""The benchmark for GPUs, tried on a CPU, where both sides compute in float32."""

import json
from pathlib import Path

import pytest
import torch

from export.bench_gpu import main


def test_both_sides_are_one_function(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--device", "cpu", "--preset", "lite", "--side", "65", "--repeats", "2"]
    out = tmp_path / "rows.json"
    assert main([*words, "--batches", "1", "3", "--json", str(out)]) == 0
    rows = json.loads(out.read_text())
    assert [row["batch"] for row in rows] == [1, 3]
    for row in rows:
        assert row["max_difference"] < 1e-3
        assert 0 < row["peak_share"] < 1
        assert row["engine_images_s"] == pytest.approx(1000 * row["batch"] / row["engine_ms"])
    assert "peak_tflops" in capsys.readouterr().out


def test_without_a_gpu_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main([]) == 2
    assert "no GPU" in capsys.readouterr().err
