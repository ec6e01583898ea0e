"""The benchmark for GPUs, tried on a CPU, where both sides compute in float32."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from export import bench_gpu
from export.bench_gpu import Row, main
from model.contract import Precision
from model.runtime import BundleRuntime

_TRIES = 5


@pytest.fixture
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """For onnxruntime, as torch has in tests, by which the peak is measured."""
    monkeypatch.setattr(bench_gpu, "BundleRuntime", partial(BundleRuntime, intra_op_threads=1))


def _measured(out: Path) -> list[dict[str, Any]]:
    """Rows of a run of the command.

    What else the machine does may slow the peak down, and not the engine behind it: then again.
    """
    words = ["--device", "cpu", "--preset", "lite", "--side", "97", "--repeats", "2"]
    rows: list[dict[str, Any]] = []
    for _ in range(_TRIES):
        assert main([*words, "--batches", "1", "3", "--json", str(out)]) == 0
        rows = json.loads(out.read_text())
        if all(row["peak_share"] < 1 for row in rows):
            break
    return rows


@pytest.mark.usefixtures("_one_thread")
def test_both_sides_are_one_function(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = _measured(tmp_path / "rows.json")
    assert [row["batch"] for row in rows] == [1, 3]
    for row in rows:
        assert row["max_difference"] < 1e-3
        assert row["max_logit"] > 1
        assert row["peak_share"] == pytest.approx(row["engine_tflops"] / row["peak_tflops"])
        assert 0 < row["peak_share"] < 1
        assert row["engine_images_s"] == pytest.approx(1000 * row["batch"] / row["engine_ms"])
    first, second = (row["engine_tflops"] / row["engine_images_s"] for row in rows)
    assert first == pytest.approx(second)  # of an image, however many came with it
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
