"""torchvision VGG-16-BN at output stride 8."""

from collections.abc import Iterator
from itertools import chain

from torch import Tensor, nn
from torchvision.models import vgg16_bn

from model.nets.backbones.base import Backbone

# Indices into torchvision's `features`: where the 3rd, 4th and 5th groups of convolutions begin
# behind their pooling layers.
_GROUP3, _GROUP4, _GROUP5 = 14, 24, 34


class VGGBackbone(Backbone):
    """Mid-level feature: concat(group 3, group 4) = 768 channels; high-level: group 5, 512.

    The fourth pooling layer is left out so that everything stays at stride 8; group 5 was trained
    behind it and is not dilated in return.
    """

    mid_channels = 256 + 512
    high_channels = 512
    stride = 8

    def __init__(self) -> None:
        super().__init__()
        layers = list(vgg16_bn(weights=None).features)
        self.low = nn.Sequential(*layers[:_GROUP3])
        self.group3 = nn.Sequential(*layers[_GROUP3:_GROUP4])  # begins with conv, ends with pool
        self.group4 = nn.Sequential(*layers[_GROUP4 : _GROUP5 - 1])
        self.group5 = nn.Sequential(*layers[_GROUP5:-1])

    def shallow(self, image: Tensor) -> Tensor:
        out: Tensor = self.group3(self.low(image))  # (B, 256, h, w)
        return out

    def deep(self, shallow: Tensor) -> Tensor:
        out: Tensor = self.group4(shallow)  # (B, 512, h, w)
        return out

    def high(self, stage3: Tensor) -> Tensor:
        out: Tensor = self.group5(stage3)  # (B, 512, h, w)
        return out

    def deep_parameters(self) -> Iterator[nn.Parameter]:
        return chain(self.group4.parameters(), self.group5.parameters())

    def feature_side(self, input_side: int) -> int:
        return input_side // 8
