"""Parts of masks have the run lengths they would have alone in a mask of that size."""

import numpy as np
import pytest

from service.imaging import components, encode_part_rle, encode_rle

NOISE = np.random.default_rng(1).random((23, 31)) < 0.4
STRIPE = np.zeros((23, 31), np.bool_)
STRIPE[:, 3:6] = True
CORNERS = np.zeros((23, 31), np.bool_)
CORNERS[:2, :2] = CORNERS[-2:, -2:] = True


@pytest.mark.parametrize("mask", [NOISE, STRIPE, CORNERS, np.ones((4, 5), np.bool_)])
def test_parts_are_encoded_as_whole_masks(mask: np.typing.NDArray[np.bool_]) -> None:
    height, width = mask.shape
    covered = np.zeros_like(mask)
    for part in components(mask):
        alone = np.zeros_like(mask)
        rows, columns = part.mask.shape
        alone[part.top : part.top + rows, part.left : part.left + columns] = part.mask
        assert encode_part_rle(part, height=height, width=width) == encode_rle(alone)
        covered |= alone
    assert (covered == mask).all()
