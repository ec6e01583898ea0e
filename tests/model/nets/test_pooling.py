"""Pooling by matrices, mask resizing and masked averages."""

import pytest
import torch
from torch.nn import functional as F

from model.nets.pooling import (
    AdaptiveAveragePool,
    AlignedSampling,
    MaskResize,
    masked_average,
    pooling_matrix,
    upsample,
)


@pytest.mark.parametrize(("side", "bins"), [(60, 30), (60, 8), (7, 3), (5, 2), (6, 6), (9, 1)])
def test_matrix_pooling_is_adaptive_average_pooling(side: int, bins: int) -> None:
    feature = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    pooled = AdaptiveAveragePool(side=side, bins=bins)(feature)
    torch.testing.assert_close(pooled, F.adaptive_avg_pool2d(feature, bins), atol=1e-6, rtol=0)


def test_rows_of_the_pooling_matrix_average() -> None:
    expected = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]])
    torch.testing.assert_close(pooling_matrix(3, 2), expected)


@pytest.mark.parametrize(("source", "bins"), [(60, 30), (30, 15), (15, 7), (5, 1)])
def test_aligned_sampling_goes_by_way_of_the_side(source: int, bins: int) -> None:
    feature = torch.randn(2, 3, source, source, generator=torch.Generator().manual_seed(0))
    sampled = AlignedSampling(source=source, side=60, bins=bins)(feature)
    raised = F.interpolate(feature, size=(60, 60), mode="bilinear", align_corners=True)
    expected = F.interpolate(raised, size=(bins, bins), mode="bilinear", align_corners=True)
    torch.testing.assert_close(sampled, expected, atol=1e-5, rtol=0)


def test_upsampling_aligns_corners() -> None:
    row = upsample(torch.tensor([[[[0.0, 3.0], [0.0, 3.0]]]]), 4)[0, 0, 0]
    torch.testing.assert_close(row, torch.tensor([0.0, 1.0, 2.0, 3.0]))


@pytest.mark.parametrize("mode", ["bilinear", "binary", "area"])
@pytest.mark.parametrize(("y", "x"), [(0, 0), (3, 50), (64, 64), (31, 33)])
def test_an_object_of_one_pixel_survives(mode: str, y: int, x: int) -> None:
    mask = torch.zeros(1, 65, 65)
    mask[0, y, x] = 1
    assert MaskResize(side=5, mode=mode, source_side=65)(mask).sum() > 0


def test_bilinear_masks_sample_with_aligned_corners() -> None:
    mask = (torch.rand(2, 17, 17, generator=torch.Generator().manual_seed(1)) > 0.5).float()
    resized = MaskResize(side=5, mode="bilinear", source_side=17)(mask)
    torch.testing.assert_close(resized[:, 0], mask[:, ::4, ::4])


def test_binary_masks_are_cut_before_they_are_sampled() -> None:
    mask = torch.full((1, 17, 17), 0.4)
    mask[0, :, 8:] = 0.6
    resized = MaskResize(side=5, mode="binary", source_side=17)(mask)
    assert resized[0, 0, 0].tolist() == [0, 0, 1, 1, 1]


def test_area_masks_average() -> None:
    mask = torch.zeros(1, 4, 4)
    mask[0, 0, :3] = 1
    resized = MaskResize(side=2, mode="area", source_side=4)(mask)
    torch.testing.assert_close(resized[0, 0], torch.tensor([[0.5, 0.25], [0.0, 0.0]]))


def test_an_unknown_resize_mode_is_told() -> None:
    with pytest.raises(ValueError, match="'nearest'"):
        MaskResize(side=5, mode="nearest", source_side=65)


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        ([[1.0, 1.0], [1.0, 1.0]], 2.5),
        ([[0.0, 0.0], [0.0, 1.0]], 4.0),
        ([[0.5, 0.0], [0.5, 0.0]], 2.0),
        ([[0.1, 0.0], [0.0, 0.3]], 3.25),
        ([[0.0, 0.0], [0.0, 0.0]], 0.0),
    ],
    ids=["everywhere", "one cell", "half cells", "weights", "empty"],
)
def test_masked_average(mask: list[list[float]], expected: float) -> None:
    feature = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]], [[-1.0, -2.0], [-3.0, -4.0]]]])
    average = masked_average(feature, torch.tensor([[mask]]))
    torch.testing.assert_close(average, torch.tensor([[expected, -expected]]))


def test_eps_draws_the_average_towards_zero() -> None:
    average = masked_average(torch.ones(1, 2, 2, 2), torch.ones(1, 1, 2, 2), eps=1.0)
    torch.testing.assert_close(average, torch.full((1, 2), 0.8))
