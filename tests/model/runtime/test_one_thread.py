"""Products of matrices keep to their thread, so that busy cores do not hold them up."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from model.contract import SupportPrototype
from model.runtime import LeaveOneOutPredictions, SupportImages, pixel_fit, refit
from model.runtime.logistic import fit_logistic
from model.runtime.one_thread import on_one_thread

T = TypeVar("T")


def _blas_threads() -> set[int]:
    """Of NumPy's BLAS; SciPy and OpenCV may have brought others."""
    return {pool["num_threads"] for pool in threadpool_info() if "numpy" in pool["filepath"]}


def _watch(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> list[set[int]]:
    """BLAS's threads at every fit that a module makes."""
    seen = []
    fit = fit_logistic

    def watched(*design: Any, **options: Any) -> Any:
        seen.append(_blas_threads())
        return fit(*design, **options)

    monkeypatch.setattr(module, "fit_logistic", watched)
    return seen


def _in_a_thread(function: Callable[[], T]) -> T:
    """By one that is gone then: while a thread that set a limit lives, others set none."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def test_fits_of_several_threads_keep_to_theirs() -> None:
    seen: list[set[int]] = []

    @on_one_thread
    def fit() -> None:
        seen.append(_blas_threads())
        time.sleep(0.1)
        seen.append(_blas_threads())

    (before,) = _blas_threads()
    _in_a_thread(lambda: threadpool_limits(2, user_api="blas"))
    try:
        with ThreadPoolExecutor(2) as pool:
            fits = []
            for _ in range(2):
                fits.append(pool.submit(fit))
                time.sleep(0.05)
            for each in fits:
                each.result()
        assert seen == [{1}] * 4
        assert _blas_threads() == {2}
    finally:
        _in_a_thread(lambda: threadpool_limits(before, user_api="blas"))


def test_a_fit_is_made_by_the_thread_that_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = _watch(monkeypatch, refit)
    rng = np.random.default_rng(0)
    shares = (rng.random((2, 4, 4)) > 0.5).astype(np.float32)
    logits = rng.standard_normal((2, 4, 4)).astype(np.float32)
    cells = rng.standard_normal((2, 3, 4, 4)).astype(np.float32)
    predictions = LeaveOneOutPredictions(cells, shares, logits, single=False, familiar=True)
    with threadpool_limits(2, user_api="blas"):
        assert refit.choose_refit(predictions, True, threshold=0.5) is not None
        assert _blas_threads() == {2}
    assert seen
    assert seen == [{1}] * len(seen)


def test_a_fit_to_pixels_is_too(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = _watch(monkeypatch, pixel_fit)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (2, 16, 16, 3), dtype=np.uint8)
    masks = (rng.random((2, 16, 16)) > 0.5).astype(np.float32)
    nothing = np.zeros((1, 1), np.float16)
    shot = SupportPrototype(nothing[0], nothing[0], nothing[0], nothing)
    supports = SupportImages.of(list(pixels), list(masks), (shot, shot))
    answers = rng.standard_normal((2, 4, 4)).astype(np.float32)
    with threadpool_limits(2, user_api="blas"):
        pixel_fit.choose_pixel_classifier(supports, answers, threshold=0.5)
        assert _blas_threads() == {2}
    assert seen
    assert seen == [{1}] * len(seen)
