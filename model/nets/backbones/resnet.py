"""torchvision ResNets with stages 3 and 4 dilated, output stride 8 (the paper's encoders)."""

from collections.abc import Iterator
from itertools import chain

from torch import Tensor, nn
from torchvision.models import resnet50, resnet101

from model.nets.backbones.base import Backbone

_DEPTHS = {50: resnet50, 101: resnet101}


class ResNetBackbone(Backbone):
    """Mid-level feature: concat(stage 2, stage 3) = 1536 channels; high-level: stage 4, 2048.

    Args:
        depth: 50 or 101.
        dilated_entries: dilate the first block of stages 3 and 4 like the others of the stage, as
            the authors' code does; torchvision's keeps the dilation of the stage before.
    """

    mid_channels = 512 + 1024
    high_channels = 2048
    stride = 8

    def __init__(self, *, depth: int, dilated_entries: bool = False) -> None:
        super().__init__()
        net = _DEPTHS[depth](weights=None, replace_stride_with_dilation=[False, True, True])
        net.fc = nn.Identity()
        if dilated_entries:
            for stage, dilation in ((net.layer3, 2), (net.layer4, 4)):
                stage[0].conv2.dilation = stage[0].conv2.padding = (dilation, dilation)
        self.net = net

    def shallow(self, image: Tensor) -> Tensor:
        net = self.net
        x = net.maxpool(net.relu(net.bn1(net.conv1(image))))
        out: Tensor = net.layer2(net.layer1(x))  # (B, 512, h, w)
        return out

    def deep(self, shallow: Tensor) -> Tensor:
        out: Tensor = self.net.layer3(shallow)  # (B, 1024, h, w)
        return out

    def high(self, stage3: Tensor) -> Tensor:
        out: Tensor = self.net.layer4(stage3)  # (B, 2048, h, w)
        return out

    def deep_parameters(self) -> Iterator[nn.Parameter]:
        return chain(self.net.layer3.parameters(), self.net.layer4.parameters())
