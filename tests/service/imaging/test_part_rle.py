"""Parts of masks to run lengths, as alone in a mask of that size, and whole masks to parts."""

import numpy as np
import pytest

from service.imaging import bounding_box, components, decode_part_rle, encode_part_rle, encode_rle

# pycocotools is older than NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

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


def test_a_mask_is_decoded_within_its_box() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        mask = rng.random(rng.integers(1, 12, 2)) < rng.random() / 2
        part, box = decode_part_rle(encode_rle(mask)), bounding_box(mask)
        if part is None:
            assert not mask.any()
        else:
            height, width = part.mask.shape
            assert box == (part.left, part.top, width, height)
            inside = mask[part.top : part.top + height, part.left : part.left + width]
            np.testing.assert_array_equal(part.mask, inside)
