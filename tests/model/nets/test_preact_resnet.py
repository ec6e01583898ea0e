"""The pre-activation trunk: its cut in two is the network as published."""

import torch
from torch.nn import functional as F

from model.nets.backbones import PreActResNet50Backbone
from model.nets.backbones.preact_resnet import PreActivationBlock


def test_a_block_adds_its_branch_to_its_input() -> None:
    torch.manual_seed(0)
    block = PreActivationBlock(16, 4, stride=1, dilation=2).eval()
    x = torch.randn(1, 16, 6, 6)
    y = F.relu(block.bn2(block.conv1(F.relu(block.bn1(x)))))
    y = F.conv2d(y, block.conv2.weight, padding=2, dilation=2)
    expected = x + block.conv3(F.relu(block.bn3(y)))
    torch.testing.assert_close(block(x), expected)
    assert block.downsample is None


def test_a_changing_block_downsamples_its_activated_input() -> None:
    torch.manual_seed(0)
    block = PreActivationBlock(8, 4, stride=2, dilation=1).eval()
    x = torch.randn(1, 8, 6, 6)
    assert block.downsample is not None
    with torch.no_grad():
        block.conv3.weight.zero_()
    expected = F.conv2d(F.relu(block.bn1(x)), block.downsample.weight, stride=2)
    torch.testing.assert_close(block(x), expected)


def test_the_cut_equals_the_blocks_in_a_row() -> None:
    torch.manual_seed(0)
    trunk = PreActResNet50Backbone().eval()
    image = torch.randn(1, 3, 33, 33)
    with torch.inference_mode():
        x = F.relu(trunk.stem["bn"](trunk.stem["conv"](trunk.data_bn(image))))
        stage2 = trunk.stage2(trunk.stage1(F.max_pool2d(x, 3, 2, 1)))
        whole = F.relu(trunk.stage3(stage2))
        features = trunk.features(image)
    torch.testing.assert_close(features.stage3, whole)
    assert features.shallow.shape == (1, 512, 5, 5)
    assert features.mid.shape == (1, trunk.mid_channels, 5, 5)
    assert trunk.feature_side(33) == 5
