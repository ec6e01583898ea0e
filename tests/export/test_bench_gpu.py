"""The benchmark for GPUs, tried on a CPU, where both sides compute in float32."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from export import bench_gpu
from export.bench_gpu import Row, main
from model.contract import Precision


@pytest.fixture
def _all_threads() -> Iterator[None]:
    """For torch, by which the peak is measured, as for onnxruntime."""
    before = torch.get_num_threads()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("_all_threads")
def test_both_sides_are_one_function(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--device", "cpu", "--preset", "lite", "--side", "97", "--repeats", "2"]
    out = tmp_path / "rows.json"
    assert main([*words, "--batches", "1", "3", "--json", str(out)]) == 0
    rows = json.loads(out.read_text())
    assert [row["batch"] for row in rows] == [1, 3]
    for row in rows:
        assert row["max_difference"] < 1e-3
        assert row["max_logit"] > 1
        assert row["peak_share"] == pytest.approx(row["engine_tflops"] / row["peak_tflops"])
        assert 0 < row["peak_share"] < 1
        assert row["engine_images_s"] == pytest.approx(1000 * row["batch"] / row["engine_ms"])
    assert "peak_tflops" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("precision", "difference", "status"),
    [
        ("fp16", 0.4, 0),
        ("fp16", 0.6, 1),
        ("fp16", float("nan"), 1),
        ("fp32", 0.001, 0),
        ("fp32", 0.4, 1),
    ],
)
def test_sides_that_differ_fail_the_command(
    precision: Precision,
    difference: float,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    row = Row(
        preset="r50",
        device="cuda",
        precision=precision,
        batch=4,
        eager_ms=30.0,
        engine_ms=12.0,
        ratio=2.5,
        engine_images_s=333.0,
        engine_tflops=10.0,
        peak_tflops=100.0,
        peak_share=0.1,
        max_difference=difference,
        max_logit=10.0,
    )
    monkeypatch.setattr(bench_gpu, "bench", lambda *_: [row])
    assert main(["--device", "cpu"]) == status
    assert ("r50 batch 4: logits differ" in capsys.readouterr().err) == bool(status)


def test_without_a_gpu_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main([]) == 2
    assert "no GPU" in capsys.readouterr().err


def test_without_a_runtime_for_gpus_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert main([]) == 2
    assert "make bench-gpu" in capsys.readouterr().err
