"""The contract between a backbone and everything behind it."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn


class BackboneFeatures(NamedTuple):
    """What the head sees of an image.

    shallow: (B, C2, h, w) of `Backbone.shallow`, the paper's stage 2.
    stage3: (B, C3, h, w) of `Backbone.deep`; what `Backbone.high` continues from.
    """

    shallow: Tensor
    stage3: Tensor

    @property
    def mid(self) -> Tensor:
        """The mid-level feature, concat(stage 2, stage 3), (B, mid_channels, h, w)."""
        return torch.cat([self.shallow, self.stage3], dim=1)


class Trunk(NamedTuple):
    """A backbone inside another.

    channels: the channels of the outer mid-level feature that are those of the inner one.
    """

    backbone: "Backbone"
    channels: tuple[slice, ...]


class Backbone(nn.Module, ABC):
    """A feature extractor in two parts: `shallow` can be frozen and cached, `deep` follows it.

    Attributes:
        mid_channels: channels of `BackboneFeatures.mid`.
        high_channels: channels D of the high-level feature.
        stride: input pixels for each feature cell.
    """

    mid_channels: int
    high_channels: int
    stride: int

    @property
    def trunks(self) -> Mapping[str, Trunk]:
        """This backbone, then those it is made of, by the prefix of their parameters' names."""
        return {"": Trunk(self, (slice(0, self.mid_channels),))}

    @abstractmethod
    def shallow(self, image: Tensor) -> Tensor:
        """Normalised images (B, 3, S, S) → the feature `deep` starts from."""

    @abstractmethod
    def deep(self, shallow: Tensor) -> Tensor:
        """Output of `shallow` → stage-3 feature."""

    def features(self, image: Tensor) -> BackboneFeatures:
        """Normalised images (B, 3, S, S) → both features."""
        shallow = self.shallow(image)
        return BackboneFeatures(shallow, self.deep(shallow))

    @abstractmethod
    def high(self, stage3: Tensor) -> Tensor:
        """Stage-3 feature, masked for supports → high-level feature (B, D, h, w)."""

    @abstractmethod
    def deep_parameters(self) -> Iterator[nn.Parameter]:
        """Parameters behind `shallow`."""

    @property
    def side_step(self) -> int:
        """The step between input sides n * step + 1, at which cells sit on input pixels."""
        return self.stride

    def feature_side(self, input_side: int) -> int:
        """Side h of the feature map for a square input: halved up to the stride, rounding up."""
        side, stride = input_side, 1
        while stride < self.stride:
            side, stride = (side + 1) // 2, 2 * stride
        return side
