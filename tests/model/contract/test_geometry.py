"""Between an image's own pixels and the network's square input."""

import cv2
import numpy as np
import pytest

from model.contract import resize_image, resize_mask, upsample_logits

# Of either side of the size from which on bytes are averaged as they are.
SIZES = [(480, 640), (333, 500), (100, 2000), (257, 600), (1200, 1600), (700, 2900)]


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("side", [97, 257])
def test_images_are_averaged_to_the_nearest_byte(height: int, width: int, side: int) -> None:
    image = np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    smaller = (min(width, side), min(height, side))
    exact = cv2.resize(image.astype(np.float64), smaller, interpolation=cv2.INTER_AREA)
    squashed = cv2.resize(
        np.rint(exact).astype(np.uint8), (side, side), interpolation=cv2.INTER_LINEAR
    )
    different = resize_image(image, side).astype(int) - squashed
    assert np.abs(different).max() <= 1
    assert np.count_nonzero(different) <= 0.001 * different.size  # halves, to either side


def test_a_single_pixel_of_a_large_mask_survives() -> None:
    mask = np.zeros((3000, 4000), np.bool_)
    mask[1717, 2323] = True
    share = resize_mask(mask, 97)
    assert share.shape == (97, 97)
    assert 0 < share.max() <= 1


@pytest.mark.parametrize(("height", "width"), [(1, 5), (7, 20_000)])
def test_logits_reach_extreme_sizes(height: int, width: int) -> None:
    logits = np.linspace(-1, 1, 49, dtype=np.float32).reshape(7, 7)
    full = upsample_logits(logits, height, width)
    assert full.shape == (height, width)
    assert -1 <= full.min() < full.max() <= 1
