"""Adaptation on the supports."""

import time

import numpy as np

from model.runtime import fit_refit


def _cells(shots: int, channels: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise, in which one direction says what is object; its share is soft at the border."""
    rng = np.random.default_rng(0)
    shares = np.zeros((shots, side, side), np.float32)
    shares[:, 2 : side // 2, 2 : side // 2] = 1
    shares[:, side // 2, 2 : side // 2] = 0.5
    cells = rng.normal(5, 3, (shots, channels, side, side)).astype(np.float32)
    cells[:, 1] += 12 * shares
    return cells, shares


def test_a_refit_parts_object_from_ground() -> None:
    cells, shares = _cells(shots=4, channels=4, side=22)
    own, bias, *weights = fit_refit(cells, shares)
    assert own == 0
    logits = bias + np.einsum("f,kfij->kij", np.array(weights), cells)
    assert (logits[shares == 1] > 0).mean() > 0.95
    assert (logits[shares == 0] < 0).mean() > 0.95
    border = logits[shares == 0.5].mean()
    assert logits[shares == 0].mean() < border < logits[shares == 1].mean()


def test_a_mask_that_covers_nothing_gives_a_finite_refit_that_marks_nothing() -> None:
    cells, shares = _cells(shots=1, channels=4, side=9)
    _, bias, *weights = fit_refit(cells, np.zeros_like(shares))
    logits = bias + np.einsum("f,kfij->kij", np.array(weights), cells)
    assert np.isfinite(logits).all()
    assert (logits < 0).all()


def test_a_constant_channel_does_no_harm() -> None:
    cells, shares = _cells(shots=1, channels=4, side=9)
    cells[:, 3] = 2.0
    assert np.isfinite(fit_refit(cells, shares)).all()


def test_five_shots_of_the_shipped_size_take_a_few_seconds_at_most() -> None:
    cells, shares = _cells(shots=5, channels=256, side=22)
    started = time.process_time()
    fit_refit(cells, shares)
    assert time.process_time() - started < 4  # about 0.3 s on a quiet core
