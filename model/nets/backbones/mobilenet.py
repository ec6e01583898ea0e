"""MobileNetV2 (Sandler et al. 2018) at output stride 16."""

from collections.abc import Iterator

from torch import Tensor, nn

from model.nets.backbones.base import Backbone

_CHANNELS = (16, 24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160, 320)
_STRIDED = frozenset({1, 3, 10})  # block 13 keeps its stride 1 here and dilates those after it
_DILATED = frozenset({14, 15, 16})
_LAST_SHALLOW = 12


class ConvBN(nn.Module):
    """Convolution without bias, batch norm, and ReLU6 unless `linear`."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        kernel: int = 1,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        linear: bool = False,
    ) -> None:
        super().__init__()
        padding = dilation * (kernel // 2)
        self.conv = nn.Conv2d(
            inputs, outputs, kernel, stride, padding, dilation, groups, bias=False
        )
        self.bn = nn.BatchNorm2d(outputs)
        self.act = nn.Identity() if linear else nn.ReLU6()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.act(self.bn(self.conv(x)))
        return out


class InvertedResidual(nn.Module):
    """Expand 1x1, depthwise 3x3, project 1x1 without activation; residual where shapes agree."""

    def __init__(
        self, inputs: int, outputs: int, *, expansion: int, stride: int, dilation: int
    ) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expand = ConvBN(inputs, hidden)
        self.depthwise = ConvBN(
            hidden, hidden, kernel=3, stride=stride, dilation=dilation, groups=hidden
        )
        self.project = ConvBN(hidden, outputs, linear=True)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + out if self.residual else out


class MobileNetV2Backbone(Backbone):
    """Blocks 12 and 16 are the mid-level feature (96 + 320), block 16 the high-level one too.

    The layout follows the ImageNet weights it starts from: block 0 expands too (32 → 32), and the
    strides are at the stem and blocks 1, 3, 10 and 13, of which 13 is dilated away.
    """

    mid_channels = 96 + 320
    high_channels = 320
    stride = 16

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvBN(3, 32, kernel=3, stride=2)
        blocks = []
        inputs = 32
        for index, outputs in enumerate(_CHANNELS):
            blocks.append(
                InvertedResidual(
                    inputs,
                    outputs,
                    expansion=1 if index == 0 else 6,
                    stride=2 if index in _STRIDED else 1,
                    dilation=2 if index in _DILATED else 1,
                )
            )
            inputs = outputs
        self.blocks = nn.ModuleList(blocks)

    def shallow(self, image: Tensor) -> Tensor:
        x: Tensor = self.stem(image)
        for block in self.blocks[: _LAST_SHALLOW + 1]:
            x = block(x)
        return x  # (B, 96, h, w)

    def deep(self, shallow: Tensor) -> Tensor:
        x = shallow
        for block in self.blocks[_LAST_SHALLOW + 1 :]:
            x = block(x)
        return x  # (B, 320, h, w)

    def high(self, stage3: Tensor) -> Tensor:
        return stage3

    def deep_parameters(self) -> Iterator[nn.Parameter]:
        return self.blocks[_LAST_SHALLOW + 1 :].parameters()
