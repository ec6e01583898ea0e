"""Supervised affinity attention module (section III-D)."""

import torch
from torch import Tensor, nn

from model.nets.pooling import pooling_matrix, upsample


class ExpandedPrototypeConv(nn.Module):
    """A zero-padded 3x3 convolution of a prototype expanded to (side, side), in 9 positions.

    On a constant map, results differ only at the border, where kernel taps fall outside. So a 3x3
    map has every case (corners, edges, interior), and a matrix of ones and zeros repeats them.
    """

    repeat: Tensor

    def __init__(self, inputs: int, outputs: int, *, side: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.side = side
        case = torch.ones(side, dtype=torch.int64)
        case[0], case[-1] = 0, 2
        along = nn.functional.one_hot(case, 3).float()  # (side, 3)
        repeat = torch.einsum("yi,xj->ijyx", along, along).reshape(9, side * side)
        self.register_buffer("repeat", repeat, persistent=False)

    def forward(self, prototype: Tensor) -> Tensor:
        """Prototype (B, C) → (B, outputs, side, side)."""
        cases = self.conv(prototype[:, :, None, None].expand(-1, -1, 3, 3))
        repeated = cases.flatten(2) @ self.repeat  # (B, outputs, side * side)
        whole: Tensor = repeated.reshape(-1, repeated.shape[1], self.side, self.side)
        return whole


def upsampled_taps(side: int, bins: int) -> Tensor:
    """What a zero-padded 3x3 convolution of an upsampled map makes of each tap and cell.

    Upsampling and each shift of the kernel are linear, so the nine taps may be applied to the small
    map (bins, bins) first, and then spread over (side, side) by one constant matrix: the same
    function at a small part of the cost.

    Returns:
        (9 * bins * bins, side * side).
    """
    impulses = torch.eye(bins).view(1, bins, bins, 1).expand(-1, -1, -1, bins)
    upsampling = upsample(impulses, side)[0, :, :, 0].T  # (side, bins)
    padded = nn.functional.pad(upsampling, (0, 0, 1, 1))
    shifted = torch.stack([padded[tap : tap + side] for tap in range(3)])  # (3, side, bins)
    spread = torch.einsum("kyi,lxj->klijyx", shifted, shifted)
    return spread.reshape(9 * bins * bins, side * side)


class ContextBranch(nn.Module):
    """The context at one size: a 1x1 convolution with ReLU, then the nine taps of a 3x3 one."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(inputs, outputs, 1)
        self.relu = nn.ReLU()
        self.conv = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)

    def forward(self, cells: Tensor) -> Tensor:
        """Pooled cells (B, inputs, N, 1) → taps (B, outputs, 9 * N) for `upsampled_taps`."""
        outputs, inputs = self.conv.weight.shape[:2]
        taps = self.conv.weight.permute(0, 2, 3, 1).reshape(outputs * 9, inputs, 1, 1)
        tapped = nn.functional.conv2d(self.relu(self.reduce(cells)), taps)
        return tapped.reshape(-1, outputs, 9 * cells.shape[2])


class PyramidPooling(nn.Module):
    """Context at several sizes beside the feature itself, then a 3x3 bottleneck (PSPNet).

    The bottleneck over concat(feature, upsampled contexts) is split into one convolution for each
    part, which is the same function. All sizes are pooled by one matrix, and spread by another.
    """

    pool: Tensor
    spread: Tensor

    def __init__(self, inputs: int, outputs: int, *, side: int, bins: tuple[int, ...]) -> None:
        super().__init__()
        self.cells = [size * size for size in bins]
        along = [pooling_matrix(side, size) for size in bins]
        pools = [torch.einsum("iy,jx->yxij", one, one).reshape(side * side, -1) for one in along]
        self.register_buffer("pool", torch.cat(pools, dim=1), persistent=False)
        spread = torch.cat([upsampled_taps(side, size) for size in bins])
        self.register_buffer("spread", spread, persistent=False)
        self.branches = nn.ModuleList(ContextBranch(inputs, outputs) for _ in bins)
        self.feature_conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.relu = nn.ReLU()

    def forward(self, feature: Tensor) -> Tensor:
        """Feature (B, inputs, side, side) → (B, outputs, side, side)."""
        own = self.feature_conv(feature)
        pooled = (feature.flatten(2) @ self.pool).unsqueeze(3)  # (B, inputs, sum of cells, 1)
        parts = torch.split(pooled, self.cells, dim=2)
        tapped = [branch(cells) for branch, cells in zip(self.branches, parts, strict=True)]
        context = (torch.cat(tapped, dim=2) @ self.spread).reshape(own.shape)
        out: Tensor = self.relu(own + context)
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
