"""Pyramid decoder with top-down merging and a supervised head at each scale (PFENet's FEM)."""

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from model.nets.pooling import AdaptiveAveragePool, AlignedSampling, upsample


class DecoderInput(NamedTuple):
    """P pairs of image and class: concat(expanded prototype, reweighted query feature, maps).

    The parts are kept apart, since pooling commutes with reweighting channels: the feature of an
    image is pooled once, whatever the number of its classes. The expanded prototype is the same in
    every cell, so it is not pooled.
    """

    prototype: Tensor  # (P, C)
    query_feature: Tensor  # (B, C, h, w)
    image_index: Tensor  # (P,)
    factor: Tensor | None  # (P, C) of the feature's channels; None: 1
    maps: Tensor  # (P, M, h, w)


class DecoderOutput(NamedTuple):
    """logits: (P, 2, h, w). auxiliary: one (P, 2, bin, bin) for each scale, largest first.

    feature: (P, C, h, w), the input of the classifier.
    """

    logits: Tensor
    auxiliary: tuple[Tensor, ...]
    feature: Tensor


class ResidualPair(nn.Module):
    """Two 3x3 convolutions with ReLU, added to their input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.convs(x)
        return out


class ScaleEntry(nn.Module):
    """The input pooled to one scale, through a 1x1 convolution and ReLU.

    Args:
        channels: C.
        maps: M.
        bins: side of the scale.
        pool: of the feature to the scale.
        pool_maps: of the maps.
    """

    everywhere: Tensor

    def __init__(
        self, channels: int, *, maps: int, bins: int, pool: nn.Module, pool_maps: nn.Module
    ) -> None:
        super().__init__()
        # A product with ones: onnxruntime takes several times as long to expand a tensor.
        self.register_buffer("everywhere", torch.ones(1, bins * bins), persistent=False)
        self.pool = pool
        self.pool_maps = pool_maps
        self.conv = nn.Conv2d(2 * channels + maps, channels, 1)
        self.relu = nn.ReLU()

    def forward(self, fused: DecoderInput) -> Tensor:
        """→ (P, C, bins, bins)."""
        feature = self.pool(fused.query_feature).index_select(0, fused.image_index)
        if fused.factor is not None:
            feature = feature * fused.factor[:, :, None, None]
        prototype = (fused.prototype.unsqueeze(2) @ self.everywhere).reshape(feature.shape)
        maps = self.pool_maps(fused.maps)
        out: Tensor = self.relu(self.conv(torch.cat([prototype, feature, maps], dim=1)))
        return out


class TopDownMerge(nn.Module):
    """Adds a larger scale to a smaller one: 1x1 convolution of both, ReLU, residual."""

    def __init__(self, channels: int, *, pool: nn.Module) -> None:
        super().__init__()
        self.pool = pool
        self.conv = nn.Conv2d(2 * channels, channels, 1)
        self.relu = nn.ReLU()

    def forward(self, small: Tensor, large: Tensor) -> Tensor:
        both = torch.cat([small, self.pool(large)], dim=1)
        out: Tensor = small + self.relu(self.conv(both))
        return out


def classifier(channels: int, dropout: float) -> nn.Sequential:
    """3x3, ReLU, dropout, 1x1 to background and foreground."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1),
        nn.ReLU(),
        nn.Dropout2d(dropout),
        nn.Conv2d(channels, 2, 1),
    )


def split_conv(whole: nn.Conv2d, parts: int) -> nn.ModuleList:
    """A 1x1 convolution over a concatenation as one for each part, whose sum is the same.

    The first has the bias.
    """
    inputs, outputs = whole.in_channels // parts, whole.out_channels
    convs = [nn.Conv2d(inputs, outputs, 1, bias=False) for _ in range(parts)]
    for conv, weight in zip(convs, whole.weight.detach().chunk(parts, dim=1), strict=True):
        conv.weight = nn.Parameter(weight.clone())
    convs[0].bias = whole.bias
    return nn.ModuleList(convs)


class PyramidDecoder(nn.Module):
    """Fused feature → foreground, at several scales.

    The last 1x1 convolution over the concatenated scales is split into one for each, before they
    are upsampled: both are linear, so this is the same function at a third of the cost.

    Args:
        channels: C.
        maps: M.
        side: feature side h.
        bins: scales, largest first, the first equal to `side` (paper: 60, 30, 15, 8).
        dropout: in the heads.
        sampled: as in the authors' code, sample the maps at each scale, and the larger scale in a
            merge, instead of averaging them.
    """

    def __init__(
        self,
        *,
        channels: int,
        maps: int,
        side: int,
        bins: tuple[int, ...],
        dropout: float,
        sampled: bool = False,
    ) -> None:
        super().__init__()
        self.side = side
        self.enter = nn.ModuleList(
            ScaleEntry(
                channels,
                maps=maps,
                bins=size,
                pool=AdaptiveAveragePool(side=side, bins=size),
                pool_maps=AlignedSampling(source=side, side=side, bins=size)
                if sampled
                else AdaptiveAveragePool(side=side, bins=size),
            )
            for size in bins
        )
        self.merges = nn.ModuleList(
            TopDownMerge(
                channels,
                pool=AlignedSampling(source=larger, side=side, bins=size)
                if sampled
                else AdaptiveAveragePool(side=larger, bins=size),
            )
            for larger, size in pairwise(bins)
        )
        self.refine = nn.ModuleList(ResidualPair(channels) for _ in bins)
        self.auxiliary_heads = nn.ModuleList(classifier(channels, dropout) for _ in bins)
        self.join = split_conv(nn.Conv2d(channels * len(bins), channels, 1), len(bins))
        self.relu = nn.ReLU()
        self.residual = ResidualPair(channels)
        self.head = classifier(channels, dropout)

    def forward(self, fused: DecoderInput) -> DecoderOutput:
        """Fused input → logits at each scale and joined."""
        scales: list[Tensor] = []
        for index, (enter, refine) in enumerate(zip(self.enter, self.refine, strict=True)):
            scale = enter(fused)
            if index > 0:
                scale = self.merges[index - 1](scale, scales[-1])
            scales.append(refine(scale))
        auxiliary = tuple(
            head(scale) for head, scale in zip(self.auxiliary_heads, scales, strict=True)
        )
        joined = self.join[0](scales[0])
        for conv, scale in zip(self.join[1:], scales[1:], strict=True):
            joined = joined + upsample(conv(scale), self.side)
        feature = self.residual(self.relu(joined))
        return DecoderOutput(self.head(feature), auxiliary, feature)
