"""Supervised affinity attention module (section III-D)."""

import torch
from torch import Tensor, nn

from model.nets.pooling import AdaptiveAveragePool, upsample


class ExpandedPrototypeConv(nn.Module):
    """A zero-padded 3x3 convolution of a prototype expanded to (side, side), in 9 positions.

    On a constant map, results differ only at the border, where kernel taps fall outside. So a 3x3
    map has every case (corners, edges, interior), and its columns and rows are then repeated.
    Rows come last, since a row is copied in one piece, and a column number by number.
    """

    repeat: Tensor

    def __init__(self, inputs: int, outputs: int, *, side: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        repeat = torch.ones(side, dtype=torch.int64)
        repeat[0], repeat[-1] = 0, 2
        self.register_buffer("repeat", repeat, persistent=False)

    def forward(self, prototype: Tensor) -> Tensor:
        """Prototype (B, C) → (B, outputs, side, side)."""
        cases = self.conv(prototype[:, :, None, None].expand(-1, -1, 3, 3))
        columns: Tensor = cases.index_select(3, self.repeat)
        return columns.index_select(2, self.repeat)


class UpsampledConv(nn.Module):
    """A zero-padded 3x3 convolution of a map upsampled from (bins, bins) to (side, side).

    Upsampling and each shift of the kernel are linear along an axis, so the nine taps are applied
    to the small map and then spread by one constant matrix from both sides: the same function at
    1/30 of the cost for 6 bins of 60.
    """

    spread: Tensor

    def __init__(self, inputs: int, outputs: int, *, side: int, bins: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.bins = bins
        impulses = torch.eye(bins).view(1, bins, bins, 1).expand(-1, -1, -1, bins)
        upsampling = upsample(impulses, side)[0, :, :, 0].T  # (side, bins)
        padded = nn.functional.pad(upsampling, (0, 0, 1, 1))
        shifted = torch.cat([padded[tap : tap + side] for tap in range(3)], dim=1)
        self.register_buffer("spread", shifted, persistent=False)  # (side, 3 * bins)

    def forward(self, small: Tensor) -> Tensor:
        """Map (B, inputs, bins, bins) → (B, outputs, side, side)."""
        outputs, inputs = self.conv.weight.shape[:2]
        taps = self.conv.weight.permute(0, 2, 3, 1).reshape(outputs * 9, inputs, 1, 1)
        tapped = nn.functional.conv2d(small, taps)
        tapped = tapped.reshape(-1, outputs, 3, 3, self.bins, self.bins).transpose(3, 4)
        tapped = tapped.reshape(-1, outputs, 3 * self.bins, 3 * self.bins)
        return self.spread @ tapped @ self.spread.T  # (B, outputs, side, side)


class PyramidPooling(nn.Module):
    """Context at several bins beside the feature itself, then a 3x3 bottleneck (PSPNet).

    The bottleneck over concat(feature, upsampled contexts) is split into one convolution for each
    part, which is the same function.
    """

    def __init__(self, inputs: int, outputs: int, *, side: int, bins: tuple[int, ...]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(
                AdaptiveAveragePool(side=side, bins=size),
                nn.Conv2d(inputs, outputs, 1),
                nn.ReLU(),
                UpsampledConv(outputs, outputs, side=side, bins=size),
            )
            for size in bins
        )
        self.feature_conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.relu = nn.ReLU()

    def forward(self, feature: Tensor) -> Tensor:
        joined = self.feature_conv(feature)
        for branch in self.branches:
            joined = joined + branch(feature)
        out: Tensor = self.relu(joined)
        return out


class SAAM(nn.Module):
    """Compares a prototype with a feature map; supervised on the support, attending on the query.

    The first convolution over concat(feature, prototype) is split into two, which is the same
    function: that of the feature does not depend on the class and runs once per image.

    Args:
        channels: C; the trunk is 4C wide.
        side: feature side h.
        bins: pyramid pooling bins.
        bounded: bring the attention map into (0, 1); the authors' code leaves it as it is.
    """

    def __init__(
        self, *, channels: int, side: int, bins: tuple[int, ...], bounded: bool = True
    ) -> None:
        super().__init__()
        self.bounded = bounded
        wide = 4 * channels
        self.feature_conv = nn.Conv2d(channels, wide, 3, padding=1)
        self.prototype_conv = ExpandedPrototypeConv(channels, wide, side=side)
        self.relu = nn.ReLU()
        self.pyramid = PyramidPooling(wide, channels, side=side, bins=bins)
        self.support_head = nn.Conv2d(channels, 2, 1)
        self.attention_head = nn.Conv2d(channels, 1, 1)

    def embed(self, feature: Tensor) -> Tensor:
        """The class-independent half of the first convolution, (B, C, h, w) → (B, 4C, h, w)."""
        out: Tensor = self.feature_conv(feature)
        return out

    def _trunk(self, embedded: Tensor, prototype: Tensor) -> Tensor:
        out: Tensor = self.pyramid(self.relu(embedded + self.prototype_conv(prototype)))
        return out

    def support_logits(self, embedded: Tensor, prototype: Tensor) -> Tensor:
        """Background and foreground logits of the support itself, (B, 2, h, w), for supervision."""
        out: Tensor = self.support_head(self._trunk(embedded, prototype))
        return out

    def attention(self, embedded: Tensor, prototype: Tensor) -> Tensor:
        """Query attention map (B, 1, h, w), in (0, 1) if it is bounded."""
        out: Tensor = self.attention_head(self._trunk(embedded, prototype))
        return out.sigmoid() if self.bounded else out
