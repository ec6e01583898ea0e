"""Bundles whose weights are kept in half precision: what they take, and what they then answer."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from export.narrow import NarrowingError, main, narrow_bundle
from export.parity import PARITY_FILE
from model.build import build_network, load_start
from model.build.presets import lite
from model.contract import GraphFile, Tier, load_manifest, write_manifest
from tests.export.exported import Exported

SHIPPED = Path(__file__).parents[2] / "model" / "bundles" / "lite"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """`lite` with a tier that reads no weights of fp32, unlike those that it is shipped with."""
    bundle = Path(shutil.copytree(SHIPPED, tmp_path / "lite"))
    manifest = load_manifest(bundle)
    whole = onnx.load(bundle / "encoder.int8.onnx")  # with the weights that it reads
    onnx.save(whole, bundle / "encoder.int8.onnx")
    own = {"encoder": GraphFile.of(bundle / "encoder.int8.onnx"), "head": manifest.graphs["head"]}
    tier = Tier(graphs={**manifest.graphs, **own}, metrics={"mIoU": 1.0})
    write_manifest(bundle, manifest.model_copy(update={"tiers": {"int8": tier}}))
    return bundle


def test_the_shipped_bundle_takes_half_and_answers_alike(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = load_manifest(bundle)
    assert main(["--bundle", str(bundle)]) == 0
    after = load_manifest(bundle)  # every hash fits
    large, small = (sum(g.size_bytes for g in m.graphs.values()) / 1e6 for m in (before, after))
    assert f"{large:.1f} MB are {small:.1f} MB now" in capsys.readouterr().out
    assert small < 0.55 * large
    assert before.metrics
    assert after.metrics == {}  # they were of the graphs before
    assert after.tiers["int8"].metrics == {}
    assert not (bundle / PARITY_FILE).exists()
    assert after.tiers["int8"].graphs["encoder"] == before.tiers["int8"].graphs["encoder"]
    assert after.tiers["int8"].graphs["prototype"] == after.graphs["prototype"]
    network = build_network(lite())
    assert load_start(network, bundle) == load_start(build_network(lite()), SHIPPED)


def test_graphs_compute_in_single_precision(bundle: Path) -> None:
    narrow_bundle(bundle)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(bundle / "loaded.onnx")
    ort.InferenceSession(bundle / "encoder.onnx", options, providers=["CPUExecutionProvider"])
    loaded = onnx.load(bundle / "loaded.onnx").graph
    halves = [c for c in loaded.initializer if c.data_type == onnx.TensorProto.FLOAT16]
    assert not halves


def test_a_bundle_that_would_answer_otherwise_is_left_as_it_was(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = Path(shutil.copytree(exported.bundle, tmp_path / "tiny"))
    files = {path.name: path.read_bytes() for path in bundle.iterdir()}
    monkeypatch.setattr("export.narrow._difference", lambda *_: float("nan"))
    with pytest.raises(NarrowingError, match="moves by nan"):
        narrow_bundle(bundle)
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == files
    assert sorted(tmp_path.iterdir()) == [bundle]


def test_one_logit_that_is_no_number_is_a_difference(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = Path(shutil.copytree(exported.bundle, tmp_path / "tiny"))
    logits = np.ones((1, 4, 4), np.float32)
    # Before and after by turns; of the second image after is spoilt.
    answers = iter([logits, logits, logits, np.full_like(logits, np.nan), *[logits] * 12])
    monkeypatch.setattr("export.narrow._answer", lambda *_: next(answers))
    with pytest.raises(NarrowingError, match="moves by nan"):
        narrow_bundle(bundle)


def test_no_bundle_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--bundle", str(tmp_path)]) == 2
    assert "no bundle" in capsys.readouterr().err
