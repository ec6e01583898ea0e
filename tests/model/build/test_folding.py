"""Folded batch norms are divided out again, in every backbone, whatever norms it has itself."""

import copy

import pytest
import torch
from torch import Tensor, nn

from model.build import PRESETS, build_network
from model.build.folding import _norms_behind, unfold
from model.nets.backbones import Backbone

SIDE = 97
# Pairs of a convolution and the norm that takes its output.
FOLDABLE = {"lite": 52, "base": 27 + 52, "r50": 53, "vgg16": 13}


def _backbone(preset: str, seed: int) -> Backbone:
    """With norms as of some training; one channel of each is all but switched off."""
    torch.manual_seed(seed)
    backbone = build_network(PRESETS[preset]().at_side(SIDE)).backbone.eval()
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            nn.init.normal_(module.get_buffer("running_mean"), std=0.1)
            nn.init.uniform_(module.get_buffer("running_var"), 0.5, 2)
            module.weight.data[0] = 1e-6
    return backbone


def _folded(backbone: Backbone) -> dict[str, Tensor]:
    """Its tensors as export leaves them."""
    names = {module: name for name, module in backbone.named_modules()}
    tensors = {n: t.clone() for n, t in backbone.state_dict().items() if "num_batches" not in n}
    for conv, norm in _norms_behind(backbone).items():
        fused = nn.utils.fuse_conv_bn_eval(copy.deepcopy(conv), copy.deepcopy(norm))
        at, behind = names[conv], names[norm]
        for name in ("weight", "bias", "running_mean", "running_var"):
            del tensors[f"{behind}.{name}"]
        assert fused.bias is not None
        tensors[f"{at}.weight"] = fused.weight.detach()
        made = f"{at}.weight_bias" if conv.bias is None else f"{at}.bias"
        tensors[made] = fused.bias.detach()
    return tensors


@pytest.mark.parametrize("preset", FOLDABLE)
@torch.no_grad()
def test_a_backbone_with_other_norms_computes_the_same_again(preset: str) -> None:
    source, other = _backbone(preset, seed=0), _backbone(preset, seed=1)
    assert len(_norms_behind(source)) == FOLDABLE[preset]
    tensors = unfold(other, _folded(source))
    names = {name for name in other.state_dict() if "num_batches" not in name}
    other.load_state_dict({name: tensors[name] for name in names}, strict=False)
    image = torch.randn(1, 3, SIDE, SIDE)
    for found, expected in zip(other.features(image), source.features(image), strict=True):
        assert expected.std() > 0.01
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3 * float(expected.std()))
    stage3 = source.features(image).stage3
    torch.testing.assert_close(other.high(stage3), source.high(stage3), rtol=1e-3, atol=1e-3)


def test_norms_keep_the_statistics_of_their_own() -> None:
    source, other = _backbone("lite", seed=0), _backbone("lite", seed=1)
    tensors = unfold(other, _folded(source))
    kept = {n: t for n, t in other.state_dict().items() if n.endswith("running_mean")}
    assert len(kept) == FOLDABLE["lite"]
    assert all(torch.equal(tensors[n], t) for n, t in kept.items())


def test_a_norm_that_was_not_folded_is_taken_as_it_is() -> None:
    source, other = _backbone("base", seed=0), _backbone("base", seed=1)
    tensors = unfold(other, _folded(source))
    expected = source.state_dict()["detail.stage1.0.bn1.running_mean"]
    assert torch.equal(tensors["detail.stage1.0.bn1.running_mean"], expected)
