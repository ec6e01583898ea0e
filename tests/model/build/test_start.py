"""The weights of a bundle as a start: what they then compute, and what is refused."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.build import CheckpointError, NetworkConfig, build_network, load_start
from model.build.presets import base, lite, r50
from model.build.start import _give
from model.contract import GraphFile, SupportSet, load_manifest, write_manifest
from model.nets import SDAANet
from model.runtime import BundleRuntime

BUNDLES = Path(__file__).parents[3] / "model" / "bundles"
BUNDLE = BUNDLES / "lite"
TEST_CLASSES = ("aeroplane", "bicycle", "bird", "boat", "bottle")
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_STD = np.array([0.229, 0.224, 0.225], np.float32)


def _random(config: NetworkConfig, side: int) -> SDAANet:
    """With batch norms that are none of the bundle's, as after `load_pretrained`."""
    generator = torch.manual_seed(0)
    network = build_network(config.at_side(side), mask_side=side).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean):
                assert tensor is not None
                tensor.data.normal_(generator=generator)
            assert module.running_var is not None
            module.running_var.uniform_(0.1, 4, generator=generator)
            module.weight.data[0] = 0  # a channel that cannot be divided out
    return network


def _normalised(pixels: NDArray[np.uint8]) -> Tensor:
    scaled = (pixels.astype(np.float32) / 255 - _MEAN) / _STD
    return torch.from_numpy(scaled.transpose(0, 3, 1, 2))


@pytest.mark.parametrize("config", [lite, base])
def test_a_network_of_the_same_backbone_answers_as_the_bundle_does(
    config: Callable[[], NetworkConfig],
) -> None:
    bundle = BUNDLES / config.__name__
    runtime = BundleRuntime(bundle)
    side = runtime.manifest.input_side
    network = _random(config(), side)
    load_start(network, bundle, unseen=TEST_CLASSES)
    pixels = np.random.default_rng(0).integers(256, size=(2, side, side, 3), dtype=np.uint8)
    share = np.zeros((1, side, side), np.float32)
    share[:, 100:200, 100:200] = 1
    (shot,) = runtime.prototypes(runtime.encode(pixels[1:], share), share)
    query = runtime.encode(pixels[:1])
    expected = runtime.head(query, np.zeros(1, np.int64), [SupportSet((shot,))]).logits
    images = _normalised(pixels)
    with torch.inference_mode():
        logits = network(images[:1], images[1:][None], torch.from_numpy(share)[None])
    found = (logits[:, 1] - logits[:, 0]).numpy()
    assert np.ptp(expected) > 2
    np.testing.assert_allclose(found, expected, atol=0.02)  # shots are kept in half precision


def test_of_another_backbone_only_what_lies_behind_the_reductions_is_taken() -> None:
    before, network = (_random(replace(r50(), channels=128), 97) for _ in range(2))
    loaded = load_start(network, BUNDLE)
    changed = {
        name
        for (name, old), new in zip(before.named_parameters(), network.parameters(), strict=True)
        if not torch.equal(old, new)
    }
    assert changed == set(loaded)
    assert {"saam.feature_conv.weight", "decoder.head.3.bias", "sse.excite.weight"} <= changed
    left = {name for name, _ in network.named_parameters()} - changed
    parts = {"backbone.": 0, "reduce_": 4, "saam.support_head.": 2, "decoder.auxiliary_heads.": 16}
    found = {part: sum(name.startswith(part) for name in left) for part in parts}
    assert found == parts | {"backbone.": len(list(network.backbone.parameters()))}
    assert sum(found.values()) == len(left)


def test_a_trunk_brings_what_lies_behind_it_and_is_all_that_reductions_see() -> None:
    network, alone = _random(base(), 97), _random(lite(), 97)
    loaded = load_start(network, BUNDLE)
    load_start(alone, BUNDLE)
    assert {"backbone.semantic.stem.conv.weight", "saam.feature_conv.weight"} <= set(loaded)
    assert not any(name.startswith("backbone.detail.") for name in loaded)
    image = torch.rand(1, 3, 97, 97)
    with torch.inference_mode():
        found = network.encode(image, torch.ones(1, 97, 97))
        expected = alone.encode(image, torch.ones(1, 97, 97))
    assert found.query_feature.std() > 0.01
    # Its cells lie between the finer ones of the other trunk.
    for of_both, of_one in zip(found, expected, strict=True):
        torch.testing.assert_close(of_both[:, :, ::2, ::2], of_one, rtol=1e-3, atol=1e-4)


def test_of_another_backbone_reductions_of_the_same_shape_are_left_out_too() -> None:
    network = _random(r50(), 97)
    found = {name: torch.ones_like(t) for name, t in network.state_dict().items()}
    # A deeper one of the same names: it would fit as far as it goes.
    deeper = {"backbone.net.layer3.6.conv1.weight": torch.ones(1)}
    with torch.no_grad():
        given = _give(network, found | deeper)
    assert given
    assert not any(name.startswith(("backbone.", "reduce_")) for name in given)


def test_a_bundle_that_has_seen_a_test_class_is_refused() -> None:
    with pytest.raises(CheckpointError, match="may have been trained on cat"):
        load_start(_random(lite(), 97), BUNDLE, unseen=["cat", "bird"])


def test_a_bundle_of_other_channels_is_refused() -> None:
    with pytest.raises(CheckpointError, match="128 channels, the network 256"):
        load_start(_random(r50(), 97), BUNDLE)


def test_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no bundle"):
        load_start(_random(lite(), 97), tmp_path)


def _older(name: str) -> str:
    return name.replace("decoder.join.0.", "decoder.join.0.0.")


def test_a_decoder_of_another_release_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(BUNDLE, tmp_path / "lite"))
    model = onnx.load(bundle / "head.onnx")
    for tensor in model.graph.initializer:
        tensor.name = _older(tensor.name)
    for node in model.graph.node:
        node.input[:] = [_older(name) for name in node.input]
    onnx.save(model, bundle / "head.onnx")
    manifest = load_manifest(BUNDLE)
    graphs = {**manifest.graphs, "head": GraphFile.of(bundle / "head.onnx")}
    write_manifest(bundle, manifest.model_copy(update={"graphs": graphs, "tiers": {}}))
    network = _random(lite(), 97)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(CheckpointError, match="of another release"):
        load_start(network, bundle)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
