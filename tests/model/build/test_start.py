"""The head of a bundle as a start: what it then computes, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.build import CheckpointError, NetworkConfig, build_network, load_head
from model.build.presets import base, lite, r50
from model.contract import SupportSet
from model.nets import EncodedImages, SDAANet
from model.runtime import BundleRuntime

BUNDLE = Path(__file__).parents[3] / "model" / "bundles" / "lite"
TEST_CLASSES = ("aeroplane", "bicycle", "bird", "boat", "bottle")


def _random(config: NetworkConfig, side: int) -> SDAANet:
    torch.manual_seed(0)
    return build_network(config.at_side(side)).eval()


def _widened(array: NDArray[np.float16]) -> Tensor:
    return torch.from_numpy(array.astype(np.float32))[None]


def test_a_network_with_the_head_answers_almost_as_the_bundle_does() -> None:
    runtime = BundleRuntime(BUNDLE)
    network = _random(lite(), runtime.manifest.input_side)
    load_head(network, BUNDLE, unseen=TEST_CLASSES)
    rng = np.random.default_rng(0)
    pixels = rng.integers(256, size=(1, network.input_side, network.input_side, 3), dtype=np.uint8)
    share = np.zeros(pixels.shape[:3], np.float32)
    share[:, 100:200, 100:200] = 1
    encoded = runtime.encode(pixels)
    (shot,) = runtime.prototypes(runtime.encode(pixels, share), share)
    expected = runtime.head(encoded, np.zeros(1, np.int64), [SupportSet((shot,))]).logits
    query = EncodedImages(*(torch.from_numpy(encoded.to_numpy(n)) for n in EncodedImages._fields))
    with torch.inference_mode():
        logits = network.match(
            query,
            torch.zeros(1, dtype=torch.int64),
            affinity=_widened(shot.affinity),
            guided=_widened(shot.guided),
            gate=_widened(shot.gate),
            tokens=_widened(shot.tokens)[None],
            token_valid=torch.ones(1, 1, len(shot.tokens), dtype=torch.bool),
        ).logits
    found = (logits[:, 1] - logits[:, 0]).numpy()
    # Up to what the contexts say to SAAM's attention, one of the decoder's 258 channels.
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.99
    np.testing.assert_allclose(found, expected, atol=0.5)


def test_what_depends_on_the_backbone_stays_random() -> None:
    before, network = (_random(base(), 97) for _ in range(2))
    loaded = load_head(network, BUNDLE)
    changed = {
        name
        for (name, old), new in zip(before.named_parameters(), network.parameters(), strict=True)
        if not torch.equal(old, new)
    }
    assert changed == set(loaded)
    assert {"saam.feature_conv.weight", "decoder.head.3.bias", "sse.excite.weight"} <= changed
    left = {name for name, _ in network.named_parameters()} - changed
    parts = {"backbone.": 0, "reduce_": 4, "saam.support_head.": 2, "saam.pyramid.branches.": 4}
    parts["decoder.auxiliary_heads."] = 16
    found = {part: sum(name.startswith(part) for name in left) for part in parts}
    assert found == parts | {"backbone.": len(list(network.backbone.parameters()))}
    assert sum(found.values()) == len(left)


def test_a_head_that_has_seen_a_test_class_is_refused() -> None:
    with pytest.raises(CheckpointError, match="may have been trained on cat"):
        load_head(_random(lite(), 97), BUNDLE, unseen=["cat", "bird"])


def test_a_head_of_other_channels_is_refused() -> None:
    with pytest.raises(CheckpointError, match="128 channels, the network 256"):
        load_head(_random(r50(), 97), BUNDLE)


def test_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no bundle"):
        load_head(_random(lite(), 97), tmp_path)
