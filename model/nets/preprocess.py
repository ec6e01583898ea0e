"""Pixels to normalised tensors, in graphs and in training alike."""

import torch
from torch import Tensor, nn


class Normalise(nn.Module):
    """RGB pixels (B, S, S, 3) in 0-255 → normalised (B, 3, S, S).

    Args:
        mean: of each channel, on the [0, 1] scale.
        std: likewise.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, *, mean: tuple[float, float, float], std: tuple[float, float, float]
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        image = pixels.permute(0, 3, 1, 2).to(self.mean.dtype) / 255
        return (image - self.mean) / self.std
