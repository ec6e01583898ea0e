"""Adaptation on the supports."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model.contract import SupportSet
from model.runtime import (
    Adapt,
    BundleRuntime,
    CellsOutput,
    Encoded,
    SeenSupports,
    choose_refit,
    support_cells,
)
from model.runtime.refit import Regression
from tests.service.tiny_bundle import SIDE, write_tiny_bundle


def _cells(shots: int, channels: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise, in which one direction says what is object; its share is soft at the border."""
    rng = np.random.default_rng(0)
    shares = np.zeros((shots, side, side), np.float32)
    shares[:, 2 : side // 2, 2 : side // 2] = 1
    shares[:, side // 2, 2 : side // 2] = 0.5
    cells = rng.normal(5, 1.5, (shots, channels, side, side)).astype(np.float32)
    cells[:, 1] += 12 * shares
    return cells, shares


def test_a_refit_parts_object_from_ground() -> None:
    cells, shares = _cells(shots=4, channels=4, side=22)
    own, bias, *weights = Regression.on(cells, shares).refit
    assert own == pytest.approx(0.2 / 4)
    logits = bias + np.einsum("f,kfij->kij", np.array(weights), cells)
    assert (logits[shares == 1] > 0).mean() > 0.95
    assert (logits[shares == 0] < 0).mean() > 0.95
    border = logits[shares == 0.5].mean()
    assert logits[shares == 0].mean() < border < logits[shares == 1].mean()


def test_a_mask_that_covers_nothing_gives_a_finite_refit_that_marks_nothing() -> None:
    cells, shares = _cells(shots=1, channels=4, side=9)
    _, bias, *weights = Regression.on(cells, np.zeros_like(shares)).refit
    logits = bias + np.einsum("f,kfij->kij", np.array(weights), cells)
    assert np.isfinite(logits).all()
    assert (logits < 0).all()


def test_a_constant_channel_does_no_harm() -> None:
    cells, shares = _cells(shots=1, channels=4, side=9)
    cells[:, 3] = 2.0
    assert np.isfinite(Regression.on(cells, shares).refit).all()


def test_a_held_out_support_has_no_part_in_its_own_fit() -> None:
    cells, shares = _cells(shots=4, channels=4, side=22)
    held_out = Regression.on(cells, shares).held_out_logits()
    # Its own labels turned round change the fits to the others' sake, never its own answer.
    turned = shares.copy()
    turned[0] = 1 - turned[0]
    again = Regression.on(cells, turned).held_out_logits()
    np.testing.assert_allclose(again[0], held_out[0], rtol=0, atol=1e-3)
    assert np.abs(again[1] - held_out[1]).max() > 0.1
    assert (held_out[shares == 1] > 0).mean() > 0.95


def test_a_single_support_is_held_out_by_quarters_around_its_object() -> None:
    cells, shares = _cells(shots=1, channels=4, side=22)  # the object is left and above the middle
    held_out = Regression.on(cells, shares).held_out_logits()
    assert (held_out[shares == 1] > 0).mean() > 0.9


def test_what_a_single_support_cannot_know_is_not_marked_by_heart() -> None:
    rng = np.random.default_rng(1)
    cells = rng.normal(0, 1, (1, 250, 22, 22)).astype(np.float32)
    shares = (rng.random((1, 22, 22)) < 0.3).astype(np.float32)
    _, bias, *weights = Regression.on(cells, shares).refit
    by_heart = bias + np.einsum("f,kfij->kij", np.array(weights), cells) > 0
    held_out = Regression.on(cells, shares).held_out_logits() > 0
    assert by_heart[shares == 1].mean() > 0.6
    assert held_out[shares == 1].mean() < 0.4


@pytest.mark.parametrize(
    ("shots", "own_answer", "adapt", "fits"),
    [
        (3, -1.0, "auto", True),  # the network marks the ground
        (3, 1.0, "auto", False),  # it is right by itself
        (1, -0.3, "auto", True),  # quarters are held out of a single one
        (1, 1.0, "auto", False),
        (1, -1.0, True, True),
        (3, 1.0, True, True),
        (3, -1.0, False, False),
    ],
)
def test_auto_fits_only_where_held_out_supports_gain(
    shots: int, own_answer: float, adapt: Adapt, fits: bool
) -> None:
    cells, shares = _cells(shots=shots, channels=4, side=22)
    seen = SeenSupports(cells, shares, np.float32(own_answer) * (20 * shares - 10))
    assert (choose_refit(seen, adapt, threshold=0.5) is not None) is fits


@pytest.mark.parametrize(
    ("shots", "side", "adapt", "fits"),
    [
        (1, 10, "auto", True),  # 100 of 1,600 cells
        (1, 8, "auto", False),  # 64
        (2, 8, "auto", True),
        (1, 8, True, True),
    ],
)
def test_auto_does_not_fit_to_one_small_object(
    shots: int, side: int, adapt: Adapt, fits: bool
) -> None:
    shares = np.zeros((shots, 40, 40), np.float32)
    shares[:, 15 : 15 + side, 15 : 15 + side] = 1
    cells = np.random.default_rng(0).normal(5, 1.5, (shots, 4, 40, 40)).astype(np.float32)
    cells[:, 1] += 12 * shares
    seen = SeenSupports(cells, shares, 3 - 6 * shares)  # the network marks the ground
    assert (choose_refit(seen, adapt, threshold=0.5) is not None) is fits


def test_five_shots_of_the_shipped_size_take_a_few_seconds_at_most() -> None:
    cells, shares = _cells(shots=5, channels=256, side=22)
    started = time.process_time()
    assert len(Regression.on(cells, shares).refit) == 256 + 2
    assert time.process_time() - started < 4  # about 0.3 s on a quiet core


class Watched(BundleRuntime):
    """Remembers what is encoded and which classes are asked for."""

    def __init__(self, bundle: Path) -> None:
        super().__init__(bundle, intra_op_threads=1)
        self.images: list[NDArray[np.uint8]] = []
        self.masks: list[NDArray[np.float32] | None] = []
        self.asked: list[SupportSet] = []

    def encode(
        self, images: NDArray[np.uint8], masks: NDArray[np.float32] | None = None
    ) -> Encoded:
        self.images.append(images)
        self.masks.append(masks)
        return super().encode(images, masks)

    def cells(
        self, encoded: Encoded, image_index: NDArray[np.int64], classes: Sequence[SupportSet]
    ) -> CellsOutput:
        self.asked = list(classes)
        return super().cells(encoded, image_index, classes)


@pytest.fixture
def runtime(tmp_path: Path) -> Watched:
    return Watched(write_tiny_bundle(tmp_path / "tiny"))


def _shown(count: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Noise, and objects left of the middle."""
    images = np.random.default_rng(3).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)
    masks = np.zeros((count, SIDE, SIDE), np.float32)
    masks[:, SIDE // 4 : SIDE // 2, : SIDE // 2] = 1
    return images, masks


def test_a_single_support_is_asked_about_with_its_mirror_image(runtime: Watched) -> None:
    images, masks = _shown(1)
    shots = tuple(runtime.prototypes(runtime.encode(images, masks), masks))
    runtime.images.clear()
    runtime.masks.clear()
    cells, shares, _ = support_cells(runtime, images, masks, shots)
    query, mirrored = runtime.images
    np.testing.assert_array_equal(query, images)
    np.testing.assert_array_equal(mirrored, images[:, :, ::-1])
    assert runtime.masks[1] is not None
    np.testing.assert_array_equal(runtime.masks[1], masks[:, :, ::-1])
    assert [len(each.shots) for each in runtime.asked] == [1]
    assert len(cells) == 1
    assert shares[0, :, 0].any()  # the cells are those of the support as it was shown
    assert not shares[0, :, -1].any()


def test_each_of_several_supports_is_asked_about_with_the_others(runtime: Watched) -> None:
    images, masks = _shown(3)
    shots = tuple(runtime.prototypes(runtime.encode(images, masks), masks))
    seen = support_cells(runtime, images, masks, shots)
    assert len(seen.cells) == len(seen.logits) == 3
    for number, each in enumerate(runtime.asked):
        others = [shot for k, shot in enumerate(shots) if k != number]
        assert [id(shot) for shot in each.shots] == [id(shot) for shot in others]
