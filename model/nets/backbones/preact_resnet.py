"""Stem and stages 1 to 3 of a pre-activation ResNet-50 (He et al. 2016b), output stride 8."""

from collections.abc import Iterator
from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from model.nets.backbones.base import Backbone

_BLOCKS = (3, 4, 6)
_WIDTHS = (64, 128, 256)
_EXPANSION = 4


class PreActivationBlock(nn.Module):
    """Convolutions 1x1, 3x3 and 1x1, each after a batch norm and ReLU, added to the block's input.

    A block that changes shape adds a `downsample` of its activated input instead of its input.
    """

    downsample: nn.Conv2d | None

    def __init__(self, inputs: int, width: int, *, stride: int, dilation: int) -> None:
        super().__init__()
        outputs = width * _EXPANSION
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, dilation, dilation, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        changes = inputs != outputs or stride != 1
        self.downsample = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if changes else None

    def activate(self, x: Tensor) -> Tensor:
        """The block's input after its first batch norm and ReLU."""
        return F.relu(self.bn1(x))

    def from_activated(self, activated: Tensor, identity: Tensor) -> Tensor:
        """The block's output; `identity` is used where there is no downsample."""
        hidden = self.conv2(F.relu(self.bn2(self.conv1(activated))))
        out: Tensor = self.conv3(F.relu(self.bn3(hidden)))
        return out + (identity if self.downsample is None else self.downsample(activated))

    def forward(self, x: Tensor) -> Tensor:
        return self.from_activated(self.activate(x), x)


class PreActResNet50Backbone(Backbone):
    """Mid-level feature: concat(stage 2, stage 3) = 1536 channels; high-level: stage 3, 1024.

    A stage's feature is its residual sum after the batch norm and ReLU that follow it; stage 3
    continues from the activated stage 2, since its first block uses nothing else.
    """

    mid_channels = 512 + 1024
    high_channels = 1024
    stride = 8

    def __init__(self) -> None:
        super().__init__()
        self.data_bn = nn.BatchNorm2d(3)
        self.stem = nn.ModuleDict(
            {"conv": nn.Conv2d(3, 64, 7, 2, 3, bias=False), "bn": nn.BatchNorm2d(64)}
        )
        self.stage1 = _stage(64, 0, stride=1, dilation=1)
        self.stage2 = _stage(256, 1, stride=2, dilation=1)
        self.stage3 = _stage(512, 2, stride=1, dilation=2)
        self.stage3.add_module("out_bn", nn.BatchNorm2d(_WIDTHS[2] * _EXPANSION))

    def shallow(self, image: Tensor) -> Tensor:
        x = F.relu(self.stem["bn"](self.stem["conv"](self.data_bn(image))))
        x = F.max_pool2d(x, 3, 2, 1)
        return self._first.activate(self.stage2(self.stage1(x)))  # (B, 512, h, w)

    def deep(self, shallow: Tensor) -> Tensor:
        x = self._first.from_activated(shallow, shallow)
        return F.relu(self.stage3[1:](x))  # (B, 1024, h, w)

    @property
    def _first(self) -> PreActivationBlock:
        """The first block of stage 3, within which `shallow` ends and `deep` begins."""
        return cast(PreActivationBlock, self.stage3[0])

    def high(self, stage3: Tensor) -> Tensor:
        return stage3

    def deep_parameters(self) -> Iterator[nn.Parameter]:
        return self.stage3.parameters()


def _stage(inputs: int, number: int, *, stride: int, dilation: int) -> nn.Sequential:
    """A stage's blocks: the first strides, the others dilate."""
    width = _WIDTHS[number]
    first = PreActivationBlock(inputs, width, stride=stride, dilation=1)
    rest = (
        PreActivationBlock(width * _EXPANSION, width, stride=1, dilation=dilation)
        for _ in range(_BLOCKS[number] - 1)
    )
    return nn.Sequential(first, *rest)
