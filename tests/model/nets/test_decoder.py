"""The decoder's shortcuts are the functions they stand for."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.nets.decoder import DecoderInput, PyramidDecoder, ScaleEntry
from model.nets.pooling import AdaptiveAveragePool, AlignedSampling, upsample

CHANNELS, SIDE = 4, 9


def _fused(*, factor: bool = True) -> tuple[DecoderInput, Tensor]:
    """Three pairs of two images, in parts and as the one concatenation that they stand for."""
    torch.manual_seed(0)
    prototype, gate, maps = (
        torch.randn(3, CHANNELS),
        torch.rand(3, CHANNELS),
        torch.rand(3, 2, 9, 9),
    )
    feature, index = torch.randn(2, CHANNELS, SIDE, SIDE), torch.tensor([1, 0, 1])
    parts = DecoderInput(prototype, feature, index, gate if factor else None, maps)
    reweighted = feature[index] * (gate if factor else torch.ones_like(gate))[:, :, None, None]
    expanded = prototype[:, :, None, None].expand_as(reweighted)
    return parts, torch.cat([expanded, reweighted, maps], dim=1)


@pytest.mark.parametrize("factor", [True, False])
@pytest.mark.parametrize("bins", [9, 5, 3])
def test_an_entry_pools_the_whole_concatenation(bins: int, factor: bool) -> None:
    parts, whole = _fused(factor=factor)
    pool = AdaptiveAveragePool(side=SIDE, bins=bins)
    entry = ScaleEntry(CHANNELS, maps=2, bins=bins, pool=pool, pool_maps=pool)
    pooled = F.adaptive_avg_pool2d(whole, bins)
    expected = entry.conv(pooled).relu()
    torch.testing.assert_close(entry(parts), expected, atol=1e-6, rtol=0)


def test_maps_may_be_sampled_where_the_feature_is_averaged() -> None:
    parts, whole = _fused()
    sample = AlignedSampling(source=SIDE, side=SIDE, bins=5)
    entry = ScaleEntry(
        CHANNELS,
        maps=2,
        bins=5,
        pool=AdaptiveAveragePool(side=SIDE, bins=5),
        pool_maps=sample,
    )
    averaged = F.adaptive_avg_pool2d(whole[:, :-2], 5)
    sampled = F.interpolate(parts.maps, size=(5, 5), mode="bilinear", align_corners=True)
    expected = entry.conv(torch.cat([averaged, sampled], dim=1)).relu()
    torch.testing.assert_close(entry(parts), expected, atol=1e-6, rtol=0)


def test_scales_are_joined_as_by_one_conv_over_their_concatenation() -> None:
    bins = (9, 5, 3)
    decoder = PyramidDecoder(channels=CHANNELS, maps=2, side=SIDE, bins=bins, dropout=0.1).eval()
    scales: list[Tensor] = []
    for refine in decoder.refine:
        refine.register_forward_hook(lambda module, given, made: scales.append(made))
    parts, _ = _fused()
    found = decoder(parts)
    upsampled = torch.cat([upsample(scale, SIDE) for scale in scales], dim=1)
    convs = [conv for conv in decoder.join if isinstance(conv, nn.Conv2d)]
    weight = torch.cat([conv.weight for conv in convs], dim=1)
    joined = F.conv2d(upsampled, weight, convs[0].bias).relu()
    torch.testing.assert_close(found.feature, decoder.residual(joined), atol=1e-6, rtol=0)
    assert [conv.bias is None for conv in convs] == [False, True, True]
    alone = (
        nn.Conv2d(3 * CHANNELS, CHANNELS, 1).weight.detach().abs().max()
    )  # 1 / sqrt(inputs) at most
    assert float(weight.detach().abs().max()) == pytest.approx(float(alone), rel=0.2)
    assert [tuple(each.shape) for each in found.auxiliary] == [(3, 2, size, size) for size in bins]
