"""Pyramid decoder with top-down merging and a supervised head at each scale (PFENet's FEM)."""

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from model.nets.pooling import AdaptiveAveragePool, AlignedSampling, upsample


class DecoderOutput(NamedTuple):
    """logits: (B, 2, h, w). auxiliary: one (B, 2, bin, bin) for each scale, largest first.

    feature: (B, C, h, w), the input of the classifier.
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


class SampledMaps(nn.Module):
    """Averages the features of a fused input and samples the maps behind them.

    Args:
        maps: how many of the last channels are maps.
        side: of the input.
        bins: of the output.
    """

    def __init__(self, *, maps: int, side: int, bins: int) -> None:
        super().__init__()
        self.maps = maps
        self.average = AdaptiveAveragePool(side=side, bins=bins)
        self.sample = AlignedSampling(source=side, side=side, bins=bins)

    def forward(self, fused: Tensor) -> Tensor:
        features = fused.shape[1] - self.maps
        averaged, sampled = self.average(fused[:, :features]), self.sample(fused[:, features:])
        return torch.cat([averaged, sampled], dim=1)


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


class PyramidDecoder(nn.Module):
    """Fused feature → foreground, at several scales.

    Args:
        inputs: channels of the fused input.
        channels: C of the decoder.
        side: feature side h.
        bins: scales, largest first, the first equal to `side` (paper: 60, 30, 15, 8).
        dropout: in the heads.
        sampled: as in the authors' code, sample the maps behind the first 2C channels at each
            scale, and the larger scale in a merge, instead of averaging them.
    """

    def __init__(
        self,
        *,
        inputs: int,
        channels: int,
        side: int,
        bins: tuple[int, ...],
        dropout: float,
        sampled: bool = False,
    ) -> None:
        super().__init__()
        self.side = side
        maps = inputs - 2 * channels
        self.pools = nn.ModuleList(
            SampledMaps(maps=maps, side=side, bins=size)
            if sampled
            else AdaptiveAveragePool(side=side, bins=size)
            for size in bins
        )
        self.enter = nn.ModuleList(
            nn.Sequential(nn.Conv2d(inputs, channels, 1), nn.ReLU()) for _ in bins
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
        self.join = nn.Sequential(nn.Conv2d(channels * len(bins), channels, 1), nn.ReLU())
        self.residual = ResidualPair(channels)
        self.head = classifier(channels, dropout)

    def forward(self, fused: Tensor) -> DecoderOutput:
        """Fused feature (B, inputs, h, w) → logits at each scale and joined."""
        scales: list[Tensor] = []
        for index, (pool, enter, refine) in enumerate(
            zip(self.pools, self.enter, self.refine, strict=True)
        ):
            scale = enter(pool(fused))
            if index > 0:
                scale = self.merges[index - 1](scale, scales[-1])
            scales.append(refine(scale))
        auxiliary = tuple(
            head(scale) for head, scale in zip(self.auxiliary_heads, scales, strict=True)
        )
        joined = self.join(torch.cat([upsample(scale, self.side) for scale in scales], dim=1))
        feature = self.residual(joined)
        return DecoderOutput(self.head(feature), auxiliary, feature)
