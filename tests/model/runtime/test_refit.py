"""Adaptation on the supports."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model.contract import SupportPrototype, SupportSet
from model.runtime import (
    Adapt,
    BundleRuntime,
    CellsOutput,
    Encoded,
    LeaveOneOutPredictions,
    SupportImages,
    cell_shares,
    predict_left_out,
)
from model.runtime.refit import Blend, Refit, Regression, choose_refit
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
    _, bias, *weights = Regression.on(cells, shares).refit(Blend(0.0))
    logits = bias + np.einsum("f,kfij->kij", np.array(weights), cells)
    assert (logits[shares == 1] > 0).mean() > 0.95
    assert (logits[shares == 0] < 0).mean() > 0.95
    border = logits[shares == 0.5].mean()
    assert logits[shares == 0].mean() < border < logits[shares == 1].mean()


def test_a_mask_that_covers_nothing_gives_a_finite_refit_that_marks_nothing() -> None:
    cells, shares = _cells(shots=1, channels=4, side=9)
    _, bias, *weights = Regression.on(cells, np.zeros_like(shares)).refit(Blend(0.0))
    logits = bias + np.einsum("f,kfij->kij", np.array(weights), cells)
    assert np.isfinite(logits).all()
    assert (logits < 0).all()


def test_a_constant_channel_does_no_harm() -> None:
    cells, shares = _cells(shots=1, channels=4, side=9)
    cells[:, 3] = 2.0
    assert np.isfinite(Regression.on(cells, shares).refit(Blend(0.0))).all()


def test_a_blend_keeps_a_share_of_the_own_logit_and_lowers_what_comes_out() -> None:
    cells, shares = _cells(shots=4, channels=4, side=22)
    regression = Regression.on(cells, shares)
    own, bias, *weights = regression.refit(Blend(0.25, 0.5))
    _, bias_alone, *weights_alone = regression.refit(Blend(0.0))
    assert own == 0.25
    np.testing.assert_allclose(weights, 0.75 * np.array(weights_alone), rtol=1e-6)
    assert bias == pytest.approx(0.75 * bias_alone - 0.5, rel=1e-6)


def _each_its_own(shares: np.ndarray) -> NDArray[np.intp]:
    return np.asarray(np.indices(shares.shape)[0], np.intp)


def test_a_held_out_part_has_no_part_in_its_own_fit() -> None:
    cells, shares = _cells(shots=4, channels=4, side=22)
    parts = _each_its_own(shares)
    held_out = Regression.on(cells, shares).held_out_logits(parts)
    # Its own labels turned round change the fits to the others' sake, never its own answer.
    turned = shares.copy()
    turned[0] = 1 - turned[0]
    again = Regression.on(cells, turned).held_out_logits(parts)
    np.testing.assert_allclose(again[0], held_out[0], rtol=0, atol=1e-3)
    assert np.abs(again[1] - held_out[1]).max() > 0.1
    assert (held_out[shares == 1] > 0).mean() > 0.95


def _own_share(refit: Refit | None) -> float:
    return 1.0 if refit is None else float(refit.weights[0])


@pytest.mark.parametrize("single", [False, True])
def test_the_network_keeps_the_more_of_a_say_the_better_it_marks(single: bool) -> None:
    cells, shares = _cells(shots=2, channels=4, side=22)
    if single:
        cells[1], shares[1] = cells[0, :, :, ::-1], shares[0, :, ::-1]
    kept = [
        _own_share(
            choose_refit(LeaveOneOutPredictions(cells, shares, own, single), "auto", threshold=0.5)
        )
        # It marks the ground, the upper half of the object, the object.
        for own in (
            10 - 20 * shares,
            np.where(np.arange(22)[:, None] < 6, 20 * shares - 10, np.float32(-10)),
            20 * shares - 10,
        )
    ]
    assert kept[0] < 0.35
    assert kept == sorted(kept)
    assert kept[2] > 0.45


@pytest.mark.parametrize("level", [1.0, 0.0, -1.0], ids=["marks all", "is right", "marks nothing"])
def test_several_supports_tell_where_to_cut(level: float) -> None:
    _, shares = _cells(shots=3, channels=4, side=22)
    cells = np.random.default_rng(2).normal(0, 1, (3, 4, 22, 22)).astype(np.float32)  # no help
    own = np.float32(0.6) * shares - np.float32(0.3 - level)
    refit = choose_refit(LeaveOneOutPredictions(cells, shares, own), "auto", threshold=0.5)
    assert refit is not None
    share, bias, *weights = refit.weights
    marked = share * own + bias + np.einsum("f,kfij->kij", np.array(weights), cells) > 0
    assert marked[shares == 1].mean() > 0.9
    assert marked[shares == 0].mean() < 0.1


def test_of_a_single_support_a_quarter_is_held_out_with_its_mirror_image() -> None:
    rng = np.random.default_rng(1)
    image = rng.normal(0, 1, (1, 250, 22, 22)).astype(np.float32)
    share = (rng.random((1, 22, 22)) < 0.3).astype(np.float32)
    cells, shares = (np.concatenate([each, each[..., ::-1]]) for each in (image, share))
    # Noise can only be learned by heart; who held out a quarter but not its image would know it.
    predictions = LeaveOneOutPredictions(cells, shares, np.zeros_like(shares) + 1, single=True)
    always = choose_refit(predictions, True, threshold=0.5)
    assert always is not None
    _, bias, *weights = always.weights
    by_heart = bias + np.einsum("f,kfij->kij", np.array(weights), cells) > 0
    assert by_heart[shares == 1].mean() > 0.8
    kept = _own_share(choose_refit(predictions, "auto", threshold=0.5))
    assert kept > 0.5


def test_a_single_support_unlike_those_of_training_is_fitted_to_the_more_readily() -> None:
    cells, shares = _cells(shots=2, channels=4, side=22)
    cells[1], shares[1] = cells[0, :, :, ::-1], shares[0, :, ::-1]
    half = np.where(np.arange(22)[:, None] < 6, 20 * shares - 10, np.float32(-10))
    alike = LeaveOneOutPredictions(
        cells, shares, np.where(shares == 1, half, np.float32(-10)), single=True
    )
    kept = [
        _own_share(choose_refit(alike._replace(familiar=each), "auto", threshold=0.5))
        for each in (True, False)
    ]
    assert kept[0] > kept[1] + 0.05


def test_the_order_of_supports_leaves_no_trace() -> None:
    cells, shares = _cells(shots=4, channels=30, side=22)
    own = 2 * shares - 1
    first, turned = [
        choose_refit(
            LeaveOneOutPredictions(cells[order], shares[order], own[order]), "auto", threshold=0.5
        )
        for order in ([0, 1, 2, 3], [2, 3, 1, 0])
    ]
    assert first is not None
    assert turned is not None
    np.testing.assert_array_equal(first.weights, turned.weights)
    np.testing.assert_array_equal(first.held_out[[2, 3, 1, 0]], turned.held_out)


def test_what_a_refit_gives_of_held_out_supports_is_told() -> None:
    cells, shares = _cells(shots=4, channels=4, side=22)
    refit = choose_refit(
        LeaveOneOutPredictions(cells, shares, np.zeros_like(shares)), True, threshold=0.5
    )
    assert refit is not None
    assert (refit.held_out[shares == 1] > 0).mean() > 0.9
    # Another label of the first support changes what is learned of it, and not what it is given.
    turned = shares.copy()
    turned[0] = 1 - turned[0]
    again = choose_refit(
        LeaveOneOutPredictions(cells, turned, np.zeros_like(shares)), True, threshold=0.5
    )
    assert again is not None
    level = again.held_out[0] - refit.held_out[0]  # where to cut is chosen for all of them
    assert np.ptp(level) < 0.01
    assert np.ptp(again.held_out[1] - refit.held_out[1]) > 0.1


def test_of_a_single_support_each_quarter_is_told_by_the_others() -> None:
    rng = np.random.default_rng(1)
    share = (rng.random((1, 22, 22)) < 0.3).astype(np.float32)
    noise = rng.normal(0, 1, (1, 250, 22, 22)).astype(np.float32)
    cells, shares = (np.concatenate([each, each[..., ::-1]]) for each in (noise, share))
    # Noise can only be learned by heart, and by heart no quarter is known.
    predictions = LeaveOneOutPredictions(cells, shares, np.zeros_like(shares), single=True)
    refit = choose_refit(predictions, True, threshold=0.5)
    assert refit is not None
    right = (refit.held_out > np.median(refit.held_out)) == (shares > 0)
    assert right.mean() < 0.65


@pytest.mark.parametrize(
    ("shots", "adapt", "own_share"),
    [(1, True, 0.2), (4, True, 0.05), (3, False, 1.0), (1, False, 1.0)],
)
def test_what_is_asked_for_is_done(shots: int, adapt: Adapt, own_share: float) -> None:
    cells, shares = _cells(shots=max(2, shots), channels=4, side=22)
    predictions = LeaveOneOutPredictions(cells, shares, 20 * shares - 10, single=shots == 1)
    assert _own_share(choose_refit(predictions, adapt, threshold=0.5)) == pytest.approx(own_share)


@pytest.mark.parametrize(
    ("single", "side", "adapt", "fits"),
    [
        (True, 10, "auto", True),  # 100 of 1,600 cells
        (True, 8, "auto", False),  # 64
        (False, 8, "auto", True),
        (True, 8, True, True),
    ],
)
def test_auto_does_not_fit_to_one_small_object(
    single: bool, side: int, adapt: Adapt, fits: bool
) -> None:
    shares = np.zeros((2, 40, 40), np.float32)
    shares[:, 15 : 15 + side, 15 : 15 + side] = 1
    cells = np.random.default_rng(0).normal(5, 1.5, (2, 4, 40, 40)).astype(np.float32)
    cells[:, 1] += 12 * shares
    predictions = LeaveOneOutPredictions(
        cells, shares, 3 - 6 * shares, single
    )  # the network marks the ground
    assert (choose_refit(predictions, adapt, threshold=0.5) is not None) is fits


def test_five_shots_of_the_shipped_size_take_a_few_seconds_at_most() -> None:
    cells, shares = _cells(shots=5, channels=256, side=22)
    started = time.process_time()
    assert len(Regression.on(cells, shares).solution) == 256 + 1
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


def _predict(
    runtime: Watched,
    images: NDArray[np.uint8],
    masks: NDArray[np.float32],
    shots: tuple[SupportPrototype, ...],
) -> LeaveOneOutPredictions:
    return predict_left_out(runtime, SupportImages.of(list(images), list(masks), shots))


def test_a_single_support_and_its_mirror_image_are_asked_about_each_other(
    runtime: Watched,
) -> None:
    images, masks = _shown(1)
    shots = tuple(runtime.prototypes(runtime.encode(images, masks), masks))
    runtime.images.clear()
    runtime.masks.clear()
    cells, shares, logits, single, familiar = _predict(runtime, images, masks, shots)
    assert single
    assert familiar  # a bundle that does not say what it is used to
    mirror, queries = runtime.images
    np.testing.assert_array_equal(mirror, images[:, :, ::-1])
    np.testing.assert_array_equal(queries, np.concatenate([images, images[:, :, ::-1]]))
    assert runtime.masks[0] is not None
    np.testing.assert_array_equal(runtime.masks[0], masks[:, :, ::-1])
    first, second = runtime.asked
    assert second.shots == shots
    assert first.shots[0] is not shots[0]
    assert len(first.shots) == len(second.shots) == 1
    assert len(cells) == len(logits) == 2
    assert shares[0, :, 0].any()  # the support as it was shown comes first
    assert not shares[0, :, -1].any()
    np.testing.assert_array_equal(shares[1], shares[0, :, ::-1])


def test_each_of_several_supports_is_asked_about_with_the_others(runtime: Watched) -> None:
    images, masks = _shown(3)
    shots = tuple(runtime.prototypes(runtime.encode(images, masks), masks))
    predictions = _predict(runtime, images, masks, shots)
    assert not predictions.single
    assert len(predictions.cells) == len(predictions.logits) == 3
    for number, each in enumerate(runtime.asked):
        others = [shot for k, shot in enumerate(shots) if k != number]
        assert [id(shot) for shot in each.shots] == [id(shot) for shot in others]


def test_supports_of_one_image_are_one_image_of_several_objects(runtime: Watched) -> None:
    images, masks = _shown(2)
    images, masks = images[[0, 1, 0]], masks[[0, 1, 0]]
    masks[2] = masks[2, ::-1]  # another object
    shots = tuple(runtime.prototypes(runtime.encode(images, masks), masks))
    runtime.images.clear()
    predictions = _predict(runtime, images, masks, shots)
    (queries,) = runtime.images
    np.testing.assert_array_equal(queries, images[:2])
    together = np.stack([np.maximum(masks[0], masks[2]), masks[1]])
    np.testing.assert_array_equal(
        predictions.shares, cell_shares(together, predictions.shares.shape[-1])
    )
    asked = [[id(shot) for shot in each.shots] for each in runtime.asked]
    assert asked == [[id(shots[1])], [id(shots[0]), id(shots[2])]]
    assert not predictions.single


def test_supports_of_one_image_alone_are_a_single_one(runtime: Watched) -> None:
    images, masks = _shown(1)
    wider = np.maximum(masks, np.roll(masks, 3, axis=2))
    both, twice = np.concatenate([masks, wider]), np.repeat(images, 2, axis=0)
    shots = tuple(runtime.prototypes(runtime.encode(twice, both), both))
    predictions = _predict(runtime, twice, both, shots)
    assert predictions.single
    assert [len(each.shots) for each in runtime.asked] == [1, 2]
    np.testing.assert_array_equal(
        predictions.shares[0], cell_shares(wider, predictions.shares.shape[-1])[0]
    )


def test_what_is_held_out_is_answered_with_the_networks_own_share_in_it() -> None:
    cells, shares = _cells(shots=2, channels=4, side=22)
    own = np.zeros_like(shares)
    raised = own + np.array([10, 20], np.float32)[:, None, None]
    before, after = [
        choose_refit(
            LeaveOneOutPredictions(cells, shares, logits, single=True), True, threshold=0.5
        )
        for logits in (own, raised)
    ]
    assert before is not None
    assert after is not None
    gained = after.held_out - before.held_out
    np.testing.assert_allclose(gained, before.weights[0] * raised, rtol=1e-4)
