"""Logistic regression, and how far one may be trusted, by what it was not fitted to."""

import numpy as np
from numpy.typing import NDArray

from model.runtime.bundle import Float

_PENALTY = 30.0  # of a standardised weight, in rows
_STEPS = 12
_MIN_STEP = 1e-3
# Difference in mean IoU on what was held out for which one choice weighs e times another. On parts
# of a single support it is known less well.
_TEMPERATURE = 0.02
_TEMPERATURE_WITHIN = 0.05


def fit_logistic(design: Float, shares: Float, start: Float | None = None) -> Float:
    """The weights (F,) of least penalised cross-entropy, by Newton's method.

    Args:
        design: (N, F) standardised, the last column ones.
        shares: (N,) in [0, 1], the soft labels.
        start: weights (F,) to begin with, if some are known that are near.
    """
    penalty = np.full(design.shape[1], _PENALTY, np.float32)
    penalty[-1] = 1e-3  # the intercept is all but free
    solution = np.zeros(design.shape[1], np.float32) if start is None else start.copy()
    for _ in range(_STEPS):
        probability = 1 / (1 + np.exp(-np.clip(design @ solution, -30, 30)))
        slope = design.T @ (probability - shares) + penalty * solution
        curvature = np.maximum(probability * (1 - probability), 1e-4)
        weighted = design * np.sqrt(curvature)[:, None]
        # A product with its own transpose costs BLAS half as much as another product.
        hessian = weighted.T @ weighted + np.diag(penalty)
        step = np.linalg.solve(hessian.astype(np.float64), slope).astype(np.float32)
        solution -= step
        if np.abs(step).max() < _MIN_STEP:
            break
    return solution


def held_out_parts(shares: Float, single: bool) -> NDArray[np.intp]:
    """For each place (K, h, h) of the supports, the number of the part that it is held out with.

    A part is a support or, of a single support, a quarter around the object's centre, with the
    same one of its mirror image.

    Args:
        shares: (K, h, h) of the object.
        single: there is one support, beside its mirror image.
    """
    if not single:
        return np.asarray(np.indices(shares.shape)[0], np.intp)
    share = shares[0]
    rows, columns = np.indices(share.shape)
    total = max(float(share.sum()), 1e-6)
    below = rows > float((rows * share).sum()) / total
    right = columns > float((columns * share).sum()) / total
    quarters = 2 * below + right
    return np.stack([quarters, quarters[:, ::-1]])


def held_out_logits(
    design: Float, shares: Float, parts: NDArray[np.intp], solution: Float
) -> Float:
    """Logits (N,) of the rows of each part, by a regression on all other rows.

    Args:
        design: (N, F) as in `fit_logistic`.
        shares: (N,) the soft labels.
        parts: (N,) the number of each row's part, from 0.
        solution: (F,) of all rows; that of a few less is some steps away from it.
    """
    logits = np.empty(len(design), np.float32)
    for number in range(parts.max() + 1):
        others = parts != number
        logits[~others] = design[~others] @ fit_logistic(design[others], shares[others], solution)
    return logits


def shot_ious(logits: Float, shares: Float, threshold_logit: float) -> NDArray[np.float64]:
    """IoU (K,) of what reaches the threshold, in logits (K, ...), with the object shares there."""
    shots = len(logits)
    marked, shares = (logits >= threshold_logit).reshape(shots, -1), shares.reshape(shots, -1)
    union = np.where(marked, np.float32(1), shares).sum(axis=1)
    shared = np.where(marked, shares, np.float32(0)).sum(axis=1)
    return np.asarray(shared / np.maximum(union, np.float32(1e-6)), np.float64)


def choice_weights(iou: NDArray[np.float64], *, single: bool) -> NDArray[np.float64]:
    """Weights of choices, of any shape, by the IoU of each on what was held out; their sum is 1.

    Neighbouring choices are about equally good, and few supports do not tell which is best, so
    their mean is taken.

    Args:
        iou: of each choice.
        single: there is one support, of which parts were held out.
    """
    temperature = _TEMPERATURE_WITHIN if single else _TEMPERATURE
    weights = np.exp((iou - iou.max()) / temperature)
    return np.asarray(weights / weights.sum(), np.float64)
