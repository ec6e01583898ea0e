"""Undo the folding of batch norms into the convolutions before them, as export does it."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from model.nets.backbones import Backbone

# Smaller scales of a batch norm are not divided out of a folded convolution: too inexact.
_MIN_SCALE = 1e-2
_WATCHED_SIDE = 65


def unfold(backbone: Backbone, found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A backbone's tensors, with those of folded batch norms restored.

    A convolution and the norm after it together compute what the folded convolution did. The norm
    keeps the backbone's statistics, and its scale unless that is close to 0.

    Args:
        backbone: of the same architecture, whose norms are divided out.
        found: a graph's constants by name. A folded convolution without a bias of its own has one
            that export added.
    """
    names = {module: name for name, module in backbone.named_modules()}
    tensors = dict(found)
    for conv, norm in _norms_behind(backbone).items():
        at, behind = names[conv], names[norm]
        weight = found.get(f"{at}.weight")
        bias = found.get(f"{at}.bias", found.get(f"{at}.weight_bias"))
        folded = f"{behind}.weight" not in found
        if not folded or weight is None or bias is None or weight.shape != conv.weight.shape:
            continue
        mean, variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
        deviation = (variance + norm.eps).sqrt()
        scale = norm.weight / deviation
        scale = torch.where(scale.abs() < _MIN_SCALE, 1.0, scale)
        tensors[f"{at}.weight"] = weight / scale[:, None, None, None]
        if conv.bias is not None:
            tensors[f"{at}.bias"] = torch.zeros_like(bias)
        tensors[f"{behind}.weight"] = scale * deviation
        tensors[f"{behind}.bias"] = bias + scale * mean
        tensors |= {f"{behind}.running_mean": mean, f"{behind}.running_var": variance}
    return tensors


def _norms_behind(backbone: Backbone) -> dict[nn.Conv2d, nn.BatchNorm2d]:
    """Convolution → the batch norm that takes its output, observed in a forward pass."""
    made: dict[int, nn.Conv2d] = {}
    living: list[Tensor] = []  # kept, so that no id is used twice
    pairs: dict[nn.Conv2d, nn.BatchNorm2d] = {}

    def watch(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, nn.Conv2d):
            made[id(output)] = module
            living.append(output)
        elif isinstance(module, nn.BatchNorm2d) and id(inputs[0]) in made:
            pairs[made[id(inputs[0])]] = module

    hooks = [module.register_forward_hook(watch) for module in backbone.modules()]
    training = backbone.training
    try:
        backbone.eval()
        backbone.high(backbone.features(torch.zeros(1, 3, _WATCHED_SIDE, _WATCHED_SIDE)).stage3)
    finally:
        backbone.train(training)
        for hook in hooks:
            hook.remove()
    return pairs
