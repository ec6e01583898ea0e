"""The affinity module's shortcuts are the functions they stand for."""

import pytest
import torch
from torch.nn import functional as F

from model.nets.pooling import upsample
from model.nets.saam import (
    SAAM,
    ContextBranch,
    ExpandedPrototypeConv,
    PyramidPooling,
    upsampled_taps,
)


@pytest.mark.parametrize("side", [3, 4, 7])
def test_prototype_conv_is_a_padded_conv_of_the_expanded_map(side: int) -> None:
    torch.manual_seed(side)
    short = ExpandedPrototypeConv(4, 6, side=side)
    prototype = torch.randn(2, 4)
    expanded = prototype[:, :, None, None].expand(-1, -1, side, side)
    torch.testing.assert_close(short(prototype), short.conv(expanded), atol=1e-6, rtol=0)


def test_the_border_of_the_expanded_map_differs_from_its_interior() -> None:
    torch.manual_seed(0)
    conved = ExpandedPrototypeConv(4, 6, side=5)(torch.randn(1, 4))
    assert not torch.allclose(conved[..., 0, 0], conved[..., 2, 2])
    assert not torch.allclose(conved[..., 0, 2], conved[..., 2, 2])
    torch.testing.assert_close(conved[..., 1, 3], conved[..., 2, 2])


def test_the_split_first_conv_is_one_conv_over_the_concatenation() -> None:
    torch.manual_seed(0)
    saam = SAAM(channels=4, side=6, bins=(1, 2, 3, 6))
    feature, prototype = torch.randn(2, 4, 6, 6), torch.randn(2, 4)
    split = saam.embed(feature) + saam.prototype_conv(prototype)
    whole = F.conv2d(
        torch.cat([feature, prototype[:, :, None, None].expand_as(feature)], dim=1),
        torch.cat([saam.feature_conv.weight, saam.prototype_conv.conv.weight], dim=1),
        saam.feature_conv.bias,
        padding=1,
    )
    torch.testing.assert_close(split, whole, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("side", "bins"), [(5, 1), (7, 2), (22, 6), (6, 6)])
def test_spread_taps_are_a_padded_conv_of_the_upsampled_map(side: int, bins: int) -> None:
    torch.manual_seed(side)
    branch = ContextBranch(4, 6)
    small = torch.randn(2, 4, bins, bins)
    spread = branch(small.reshape(2, 4, -1, 1)) @ upsampled_taps(side, bins)
    whole = branch.conv(upsample(branch.reduce(small).relu(), side))
    torch.testing.assert_close(spread.reshape(2, 6, side, side), whole, atol=1e-6, rtol=0)


@pytest.mark.parametrize("side", [6, 7])
def test_the_split_bottleneck_is_one_conv_over_the_concatenation(side: int) -> None:
    torch.manual_seed(0)
    bins = (1, 2, 3)
    pyramid = PyramidPooling(8, 4, side=side, bins=bins)
    feature = torch.randn(2, 8, side, side)
    contexts, weights = [], [pyramid.feature_conv.weight]
    for size, branch in zip(bins, pyramid.branches, strict=True):
        assert isinstance(branch, ContextBranch)
        reduced = branch.reduce(F.adaptive_avg_pool2d(feature, size)).relu()
        contexts.append(upsample(reduced, side))
        weights.append(branch.conv.weight)
    whole = F.conv2d(
        torch.cat([feature, *contexts], dim=1),
        torch.cat(weights, dim=1),
        pyramid.feature_conv.bias,
        padding=1,
    ).relu()
    torch.testing.assert_close(pyramid(feature), whole, atol=1e-6, rtol=0)


def test_shapes_and_range() -> None:
    torch.manual_seed(0)
    saam = SAAM(channels=4, side=6, bins=(1, 2, 3, 6))
    embedded, prototype = saam.embed(torch.randn(2, 4, 6, 6)), torch.randn(2, 4)
    attention = saam.attention(embedded, prototype)
    assert attention.shape == (2, 1, 6, 6)
    assert 0 < attention.min() < attention.max() < 1
    assert saam.support_logits(embedded, prototype).shape == (2, 2, 6, 6)
