"""When which part of an adaptation is made."""

import numpy as np
import pytest

from model.contract import SupportPrototype
from model.runtime import (
    Adapt,
    Adaptation,
    LeaveOneOutPredictions,
    SupportImages,
    adapt_to,
    cell_shares,
)

SIDE, CELLS = 64, 16
NOTHING = np.zeros((1, 1), np.float16)
SHOT = SupportPrototype(NOTHING[0], NOTHING[0], NOTHING[0], NOTHING)


def _shown(count: int) -> tuple[SupportImages, LeaveOneOutPredictions]:
    """Discs of a colour, of which the network tells nothing and its features most."""
    rows, columns = np.indices((SIDE, SIDE))
    pixels, masks = [], []
    for k in range(count):
        rng = np.random.default_rng(k)
        mask = (rows - 24 - 4 * k) ** 2 + (columns - 32) ** 2 < 15**2
        noise = rng.integers(100, 130, (SIDE, SIDE, 3))
        pixels.append((noise + mask[..., None] * np.array([80, 0, 0])).astype(np.uint8))
        masks.append(mask.astype(np.float32))
    supports = SupportImages.of(pixels, masks, (SHOT,) * count)
    shares = cell_shares(supports.masks, CELLS)
    cells = np.random.default_rng(9).normal(0, 1, (count, 4, CELLS, CELLS)).astype(np.float32)
    cells[:, 1] += 4 * shares
    return supports, LeaveOneOutPredictions(cells, shares, np.zeros_like(shares))


@pytest.mark.parametrize(
    ("adapt", "familiar", "refitted", "classified"),
    [
        ("auto", False, True, True),
        ("auto", True, True, True),  # as photographs are, if their colours tell plainly
        (True, True, True, True),
        (False, False, False, False),
    ],
)
def test_pixels_of_several_images_are_classified_where_their_colours_tell(
    adapt: Adapt, familiar: bool, refitted: bool, classified: bool
) -> None:
    supports, predictions = _shown(3)
    found = adapt_to(supports, predictions._replace(familiar=familiar), adapt, threshold=0.5)
    assert (found.refit is not None, found.pixel_classifier is not None) == (refitted, classified)


@pytest.mark.parametrize("familiar", [False, True])
def test_a_single_image_is_classified_by_its_other_quarters_unless_it_is_familiar(
    familiar: bool,
) -> None:
    supports, predictions = _shown(1)
    cells, shares, logits = (np.concatenate([each, each[..., ::-1]]) for each in predictions[:3])
    twice = LeaveOneOutPredictions(cells, shares, logits, single=True, familiar=familiar)
    found = adapt_to(supports, twice, "auto", threshold=0.5)
    assert found.refit is not None
    assert (found.pixel_classifier is None) is familiar


def test_a_small_object_of_a_single_photograph_is_left_to_the_network() -> None:
    supports, predictions = _shown(1)
    cells, shares, logits = (np.concatenate([each, each[..., ::-1]]) for each in predictions[:3])
    small = shares * (np.arange(CELLS) % 8 == 0)
    once = LeaveOneOutPredictions(cells, small, logits, single=True, familiar=True)
    assert adapt_to(supports, once, "auto", threshold=0.5) == Adaptation()
    assert (
        adapt_to(supports, once._replace(familiar=False), "auto", threshold=0.5).refit is not None
    )
    large = once._replace(shares=shares)
    assert adapt_to(supports, large, "auto", threshold=0.5).refit is not None


@pytest.mark.parametrize(
    ("count", "adapt", "familiar", "limited"),
    [
        (1, "auto", False, True),
        (1, "auto", True, False),
        (1, True, False, False),  # who asks for it gets it
        (3, "auto", False, False),  # each was found by what the others teach
    ],
)
def test_what_a_single_unfamiliar_image_teaches_is_for_unfamiliar_images(
    count: int, adapt: Adapt, familiar: bool, limited: bool
) -> None:
    supports, predictions = _shown(count)
    if supports.single:
        cells, shares, logits = (
            np.concatenate([each, each[..., ::-1]]) for each in predictions[:3]
        )
        predictions = LeaveOneOutPredictions(cells, shares, logits, single=True)
    found = adapt_to(supports, predictions._replace(familiar=familiar), adapt, threshold=0.5)
    assert found.refit is not None
    assert found.unfamiliar is limited
