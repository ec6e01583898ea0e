"""Pooling and resizing of feature maps and masks, in forms that export exactly."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def pooling_matrix(length: int, bins: int) -> Tensor:
    """Adaptive average pooling along one axis as a matrix (bins, length).

    Row i averages [floor(i * length / bins), ceil((i + 1) * length / bins)), which is
    `adaptive_avg_pool` also where bins does not divide length.
    """
    matrix = torch.zeros(bins, length)
    for i in range(bins):
        start, stop = i * length // bins, -(-(i + 1) * length // bins)
        matrix[i, start:stop] = 1 / (stop - start)
    return matrix


class AdaptiveAveragePool(nn.Module):
    """Adaptive average pooling (B, C, side, side) → (B, C, bins, bins) as two matrix products."""

    matrix: Tensor

    def __init__(self, *, side: int, bins: int) -> None:
        super().__init__()
        self.identity = side == bins
        self.register_buffer("matrix", pooling_matrix(side, bins), persistent=False)

    def forward(self, feature: Tensor) -> Tensor:
        if self.identity:
            return feature
        return self.matrix @ feature @ self.matrix.T  # (B, C, bins, bins)


def sampling_matrix(length: int, samples: int) -> Tensor:
    """Bilinear sampling along one axis, ends aligned, as a matrix (samples, length)."""
    impulses = torch.eye(length)[None]  # (1, length, length): one impulse for each channel
    sampled = F.interpolate(impulses, size=samples, mode="linear", align_corners=True)
    return sampled[0].T


class AlignedSampling(nn.Module):
    """Bilinear sampling (B, C, source, source) → (B, C, bins, bins) by way of another side.

    A coarser map is first brought to `side` and then sampled there, which is what the authors'
    code does between the scales of its decoder; both steps are one matrix from either side.
    """

    matrix: Tensor

    def __init__(self, *, source: int, side: int, bins: int) -> None:
        super().__init__()
        matrix = sampling_matrix(side, bins) @ sampling_matrix(source, side)
        self.register_buffer("matrix", matrix, persistent=False)

    def forward(self, feature: Tensor) -> Tensor:
        return self.matrix @ feature @ self.matrix.T  # (B, C, bins, bins)


def upsample(feature: Tensor, side: int) -> Tensor:
    """Bilinear resize to (B, C, side, side), corners aligned."""
    if feature.shape[-1] == side:
        return feature
    return F.interpolate(feature, size=(side, side), mode="bilinear", align_corners=True)


class MaskResize(nn.Module):
    """Bring masks (B, S, S) in [0, 1] to the feature side, (B, 1, h, h).

    Args:
        side: feature side h.
        mode: `bilinear` samples with aligned corners (the paper); `binary` likewise, of shares
            cut at one half (the authors' code, whose masks are label maps); `area` averages, so
            that an object smaller than a cell keeps a positive weight.
        source_side: S for `area`, which pools by constant matrices.

    Sampling can miss a small object altogether; such a mask falls back to `area`, so a
    mask with any object never becomes empty.
    """

    def __init__(self, *, side: int, mode: str, source_side: int) -> None:
        super().__init__()
        if mode not in {"bilinear", "binary", "area"}:
            raise ValueError(f"mask resize mode must be bilinear, binary or area, not {mode!r}")
        self.side = side
        self.mode = mode
        self.area = AdaptiveAveragePool(side=source_side, bins=side)

    def forward(self, mask: Tensor) -> Tensor:
        mask = mask.unsqueeze(1)  # (B, 1, S, S)
        area: Tensor = self.area(mask)
        if self.mode == "area":
            return area
        if self.mode == "binary":
            mask = (mask >= 0.5).to(mask.dtype)
        sampled = F.interpolate(
            mask, size=(self.side, self.side), mode="bilinear", align_corners=True
        )
        missed = sampled.sum(dim=(2, 3), keepdim=True) == 0
        return torch.where(missed, area, sampled)


def masked_average(feature: Tensor, mask: Tensor, *, eps: float = 0.0) -> Tensor:
    """Masked global average pooling, sum(F * m) / sum(m) (paper, section III-B).

    Args:
        feature: (B, C, h, w).
        mask: (B, 1, h, w), non-negative; an empty mask gives zeros.
        eps: added to the weight sum(m).

    Returns:
        Prototype (B, C).
    """
    weight = mask.sum(dim=(2, 3)).clamp_min(1e-6)  # (B, 1)
    if eps:
        weight = weight + eps
    return (feature * mask).sum(dim=(2, 3)) / weight
