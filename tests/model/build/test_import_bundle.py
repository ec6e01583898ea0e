"""`import-bundle`: a bundle's network as a checkpoint that every other command reads."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import logit

from model.__main__ import main
from model.build import Checkpoint, load_network, read_checkpoint, restore_network
from model.build.checkpoint import load_presence
from model.cli import import_bundle
from model.contract import load_manifest
from model.runtime import BundleRuntime
from model.segmenters import BundleSegmenter, EagerSegmenter
from tests.service.tiny_bundle import write_tiny_bundle

BUNDLE = Path(__file__).parents[3] / "model" / "bundles" / "lite"


def _command(bundle: Path, out: Path) -> int:
    arguments = ["import-bundle", str(bundle), "--out", str(out)]
    return main(arguments)


def test_the_checkpoint_holds_network_presence_and_origin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs" / "lite.pt"
    assert _command(BUNDLE, out) == 0
    manifest = load_manifest(BUNDLE)
    assert manifest.familiar is not None
    assert manifest.model in capsys.readouterr().out
    assert [path.name for path in out.parent.iterdir()] == ["lite.pt"]
    assert manifest.training is not None
    progress = read_checkpoint(out)["progress"]
    assert tuple(progress["excluded"]) == manifest.training.excluded_classes
    assert tuple(progress["data"]) == manifest.training.data
    assert Checkpoint.read(out).presence_threshold == manifest.presence_threshold
    network, config = load_network(out)
    assert (config.preset, config.input_side) == (manifest.preset, manifest.input_side)
    side = config.input_side
    pixels = np.random.default_rng(1).integers(256, size=(side, side, 3), dtype=np.uint8)
    mask = np.zeros((side, side), np.bool_)
    mask[40:120, 60:200] = True
    assert read_checkpoint(out)["familiar"] == manifest.familiar.model_dump()
    scores = []
    for segmenter in (EagerSegmenter(network), BundleSegmenter(BundleRuntime(BUNDLE))):
        coarse = pixels[::16, ::16].repeat(16, axis=0).repeat(16, axis=1)[:side, :side]
        shots = [
            segmenter.add_support(k, image.copy(), mask) for k, image in enumerate((pixels, coarse))
        ]
        predictions = [
            segmenter.segment("q", pixels[::-1].copy(), shots[:count]) for count in (1, 2)
        ]
        scores.append(logit([each.presence for each in predictions]))
    # At two shots a bundle takes off what its presence grows by, and so does its network.
    assert manifest.presence_growth > 0.2
    np.testing.assert_allclose(scores[0], scores[1], atol=0.05)


def test_another_input_side_can_be_had_of_it(tmp_path: Path) -> None:
    assert _command(BUNDLE, tmp_path / "lite.pt") == 0
    network, _ = load_network(tmp_path / "lite.pt", input_side=257)
    assert network.feature_side < load_manifest(BUNDLE).feature_side


def test_a_network_that_answers_otherwise_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    network, *rest = restore_network(BUNDLE)
    with torch.no_grad():
        network.get_parameter("saam.feature_conv.weight").neg_()
    monkeypatch.setattr(import_bundle, "restore_network", lambda _: (network, *rest))
    assert _command(BUNDLE, tmp_path / "lite.pt") == 2
    assert "answers otherwise: its logits differ" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("growth", "apart"), [(0.0, "0.3"), (float("nan"), "nan")])
def test_a_presence_that_grows_otherwise_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    growth: float,
    apart: str,
) -> None:
    network, config, record = restore_network(BUNDLE)
    load_presence(network, record._replace(growth=growth))
    monkeypatch.setattr(import_bundle, "restore_network", lambda _: (network, config, record))
    assert _command(BUNDLE, tmp_path / "lite.pt") == 2
    assert f"that of its presence by {apart}" in capsys.readouterr().err


def test_a_bundle_of_no_known_network_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = write_tiny_bundle(tmp_path / "tiny")
    assert _command(bundle, tmp_path / "tiny.pt") == 2
    assert "unknown preset" in capsys.readouterr().err
    assert not (tmp_path / "tiny.pt").exists()
