"""Where tiles lie: as few as overlap, however extreme the image."""

import time

import numpy as np
import pytest

from service.sessions.tile_grid import OVERLAP, Grid, Spread


@pytest.mark.parametrize(
    ("length", "side"), [(100, 100), (101, 100), (175, 100), (176, 100), (5000, 257)]
)
def test_tiles_overlap_and_none_is_too_many(length: int, side: int) -> None:
    spread = Spread.over(length, side)
    assert (spread.starts[0], spread.starts[-1] + spread.side) == (0, length)
    steps = np.diff(spread.starts)
    assert all(steps <= side * (1 - OVERLAP) + 1)
    fewer = len(spread.starts) - 1
    assert fewer * side - (fewer - 1) * OVERLAP * side < length


def test_weights_add_up_to_one() -> None:
    spread = Spread.over(700, 257)
    total = np.zeros(700)
    for start, weight in zip(spread.starts, spread.weights(), strict=True):
        total[start : start + spread.side] += weight
    np.testing.assert_allclose(total, 1, atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(1, 50_000_000), (50_000_000, 1), (7000, 7000)])
def test_tiles_are_bounded_without_laying_out_the_many(height: int, width: int) -> None:
    began = time.process_time()
    grid = Grid.over(height, width, 172, max_tiles=512)
    assert time.process_time() - began < 0.05
    assert 256 < grid.tiles <= 512
    assert len(list(grid.boxes())) == grid.tiles
