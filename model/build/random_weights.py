"""Random weights with which every part of a network affects its output, for parity checks.

PyTorch's default initialisation does not: MobileNetV2 shrinks features to 1e-8 with it, so networks
that differ in everything after the backbone would still agree.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.build.checkpoint import PresenceRecord, load_presence, network_state
from model.build.presets import NetworkConfig, build_network
from model.nets import SDAANet
from model.nets.presence import EVIDENCE

_PICTURES, _PICTURE_SIDE, _CELLS = 4, 97, (4, 16)
_BIAS = 0.1
# Where half of all ReLUs are off, a deep network multiplies rounding errors from norm to norm.
_MOSTLY_ACTIVE = 1.0
_RELU_GAIN = (1 / 2 - 1 / (2 * torch.pi)) ** -0.5  # keeps unit variance
_COEFFICIENTS = 2.0
_THRESHOLD, _GROWTH = 0.5, 0.25
_MOMENTUM = 0.1  # PyTorch's own


def random_network(config: NetworkConfig, *, seed: int) -> tuple[SDAANet, dict[str, Any]]:
    """A network with random weights in eval mode, and its checkpoint.

    Convolutions keep the variance of their input (He et al. 2015), and batch norms have the
    statistics of noise images, so features are about as large as in a trained network. The
    calibration of presence is random too.
    """
    generator = torch.Generator().manual_seed(seed)
    network = build_network(config)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            _fill(module.weight, generator)
            if module.bias is not None:
                nn.init.normal_(module.bias, std=_BIAS, generator=generator)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5, generator=generator)
            nn.init.normal_(module.bias, _MOSTLY_ACTIVE, _BIAS, generator=generator)
    for conv in network.decoder.join:  # parts of one convolution
        conv.get_parameter("weight").data *= len(network.decoder.join) ** -0.5
    pictures = _pictures(_PICTURES, _PICTURE_SIDE, generator)
    _measure_statistics(network, pictures)
    network.eval()
    _balance(network, _pictures(2, config.input_side, generator))
    state = network_state(network, config)
    if network.presence is not None:
        record = _random_presence(network, pictures, generator)
        load_presence(network, record)
        state["presence"] = record._asdict()
    return network, state


def _pictures(count: int, side: int, generator: torch.Generator) -> Tensor:
    """Normalised pictures (count, 3, side, side) of coarse and fine noise."""
    scales = [
        F.interpolate(torch.randn(count, 3, cells, cells, generator=generator), size=(side, side))
        for cells in (*_CELLS, side)
    ]
    pictures: Tensor = torch.stack(scales).sum(dim=0) / len(scales) ** 0.5
    return pictures


@torch.no_grad()
def _fill(weight: Tensor, generator: torch.Generator) -> None:
    """Random weights that keep the variance of a ReLU's output and remove its mean.

    Otherwise the mean grows from layer to layer until it dominates: everything is foreground.
    """
    rows = weight.flatten(1)
    nn.init.normal_(weight, std=_RELU_GAIN / rows.shape[1] ** 0.5, generator=generator)
    rows -= rows.mean(dim=1, keepdim=True)


@torch.no_grad()
def _measure_statistics(network: SDAANet, pictures: Tensor) -> None:
    """Set the statistics of the backbone's batch norms to those of pictures."""
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0  # the next batch alone
    network.backbone.train()
    network.backbone.high(network.backbone.features(pictures).stage3)
    for norm in norms:
        norm.momentum = _MOMENTUM


@torch.no_grad()
def _balance(network: SDAANet, pictures: Tensor) -> None:
    """Shift the last bias so that half of a picture is foreground."""
    query, support = pictures[:1], pictures[1:]
    mask = torch.zeros(1, 1, *support.shape[2:])
    mask[..., : support.shape[2] // 2, :] = 1
    logits = network(query, support[None], mask)
    bias = network.get_parameter("decoder.head.3.bias")
    bias[1] -= (logits[:, 1] - logits[:, 0]).median()


@torch.no_grad()
def _random_presence(
    network: SDAANet, pictures: Tensor, generator: torch.Generator
) -> PresenceRecord:
    """A random calibration, centred on the mean feature as that of `model.calibration` is."""
    backbone = network.backbone
    high = backbone.high(backbone.features(pictures).stage3).flatten(2)
    return PresenceRecord(
        centre=F.normalize(high, dim=1).mean(dim=(0, 2)),
        coefficients=_COEFFICIENTS * torch.randn(len(EVIDENCE), generator=generator),
        intercept=float(torch.rand((), generator=generator)),
        threshold=_THRESHOLD,
        growth=_GROWTH,
    )
