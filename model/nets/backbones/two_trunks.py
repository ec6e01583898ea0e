"""A pre-activation ResNet-50 for where things are, beside MobileNetV2 for what they are."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from model.nets.backbones.base import Backbone, Trunk
from model.nets.backbones.mobilenet import MobileNetV2Backbone
from model.nets.backbones.preact_resnet import PreActResNet50Backbone
from model.nets.pooling import upsample

_STAGE2, _STAGE3, _BLOCK12, _BLOCK16 = 512, 1024, 96, 320


class TwoTrunkBackbone(Backbone):
    """Stages 2 and 3 of the ResNet with blocks 12 and 16 of MobileNetV2, at output stride 8.

    Mid-level feature: concat(stage 2, block 12, stage 3, block 16) = 1952 channels; high-level:
    block 16. MobileNetV2's cells are twice as large. They are interpolated to the ResNet's, of
    which every second one has the value of a cell of MobileNetV2.
    """

    mid_channels = _STAGE2 + _BLOCK12 + _STAGE3 + _BLOCK16
    high_channels = _BLOCK16
    stride = 8

    def __init__(self) -> None:
        super().__init__()
        self.detail = PreActResNet50Backbone()
        self.semantic = MobileNetV2Backbone()

    @property
    def trunks(self) -> Mapping[str, Trunk]:
        split = _STAGE2 + _BLOCK12
        fine = slice(0, _STAGE2), slice(split, split + _STAGE3)
        coarse = slice(_STAGE2, split), slice(split + _STAGE3, self.mid_channels)
        return {
            **super().trunks,
            "detail.": Trunk(self.detail, fine),
            "semantic.": Trunk(self.semantic, coarse),
        }

    def shallow(self, image: Tensor) -> Tensor:
        coarse = self.semantic.shallow(image)
        return torch.cat([self.detail.shallow(image), _between(coarse)], dim=1)

    def deep(self, shallow: Tensor) -> Tensor:
        coarse = self.semantic.deep(shallow[:, _STAGE2:, ::2, ::2])
        return torch.cat([self.detail.deep(shallow[:, :_STAGE2]), _between(coarse)], dim=1)

    def high(self, stage3: Tensor) -> Tensor:
        return stage3[:, _STAGE3:]

    def deep_parameters(self) -> Iterator[nn.Parameter]:
        yield from self.detail.deep_parameters()
        yield from self.semantic.deep_parameters()

    @property
    def side_step(self) -> int:
        return self.semantic.stride  # so that the cells of both trunks lie on each other

    def feature_side(self, input_side: int) -> int:
        """Side h of the feature map.

        Raises:
            ValueError: the cells of the trunks would not lie on each other.
        """
        if input_side % self.side_step != 1:
            step = self.side_step
            raise ValueError(
                f"the input side must be a multiple of {step} plus 1, not {input_side}"
            )
        return super().feature_side(input_side)


def _between(coarse: Tensor) -> Tensor:
    """Interpolate between cells: (B, C, n, n) → (B, C, 2n - 1, 2n - 1)."""
    return upsample(coarse, 2 * coarse.shape[-1] - 1)
