"""Adaptation on the supports: the head's last layer refitted to one class.

Away from what a network was trained on, its features still separate object from background where
its own last layer no longer does. So that layer is refitted, for one class, to the cells of its
supports, each taken as a query of the others: a logistic regression, convex and small.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.contract import logit
from model.runtime.bundle import Float
from model.runtime.leave_one_out import LeaveOneOutPredictions
from model.runtime.one_thread import on_one_thread

_PENALTY = 30.0  # of a standardised weight, in cells
_STEPS = 12
_MIN_STEP = 1e-3
# The share of the network's own logit in a refit that is asked for: that logit is steadier than a
# fit to few cells. It is this share with one shot, and a Kth of it with K shots (ADR 11).
_OWN_SHARE = 0.2
# The choices: that share, with `auto` alone, and how far logits are lowered.
_SHARES = np.linspace(0, 1, 11, dtype=np.float32)
_OFFSETS = np.linspace(-1, 1, 9, dtype=np.float32)
_NO_OFFSET = np.zeros(1, np.float32)
# Difference in mean IoU of held-out supports for which one choice weighs e times another.
_TEMPERATURE = 0.02
# Parts of a single support are more alike than two images are. The gain of a fit on held-out parts
# is lowered by this much; by less on images unlike those of training, for which the network's own
# logit is worse. The gain is also known less well, and parts tell nothing of the threshold.
_LIKENESS_WITHIN = {"familiar": 0.4, "unfamiliar": 0.15}
_TEMPERATURE_WITHIN = 0.05
# A fit to one small object learns its size and misses larger ones elsewhere. To a single support,
# `auto` fits only if its object covers at least this share of the image.
_MIN_SHARE_WITHIN = 0.05
# From this share on, the network's own logit is kept alone, unless the threshold moves.
_ALL_BUT_OWN = 0.95

# Fit always, never, or as far as that helps on supports that it was not fitted to.
Adapt = bool | Literal["auto"]


class Blend(NamedTuple):
    """The share of the network's own logit beside a regression, and how far logits are lowered."""

    own_share: float
    offset: float = 0.0


@on_one_thread
def choose_refit(
    predictions: LeaveOneOutPredictions, adapt: Adapt, *, threshold: float
) -> Float | None:
    """The refit (F + 2,) of a class; None to keep the network's own answer.

    Args:
        predictions: of the class's supports.
        adapt: `auto` fits as far as that marks held-out supports better. Of a single support,
            quarters are held out, and there is no fit to a small object.
        threshold: foreground probability from which a pixel is marked.
    """
    if not adapt or (adapt == "auto" and _is_small(predictions)):
        return None
    if not predictions.single:
        predictions = _in_canonical_order(predictions)
    regression = Regression.on(predictions.cells, predictions.shares)
    shares = _SHARES
    if adapt != "auto":
        if predictions.single:
            return regression.refit(Blend(_OWN_SHARE))
        shares = np.full(1, _OWN_SHARE / len(predictions.cells), np.float32)
    blend = _best_blend(
        predictions, regression.held_out_logits(_held_out_parts(predictions)), shares, threshold
    )
    if blend.own_share >= _ALL_BUT_OWN and abs(blend.offset) < _OFFSETS[-1] - _OFFSETS[-2]:
        return None
    return regression.refit(blend)


def _is_small(predictions: LeaveOneOutPredictions) -> bool:
    """Whether there is only one support and its object is small."""
    return predictions.single and float(predictions.shares.mean()) < _MIN_SHARE_WITHIN


def _in_canonical_order(predictions: LeaveOneOutPredictions) -> LeaveOneOutPredictions:
    """The same supports, sorted, so that sums of floats do not depend on the order they came in."""
    order = sorted(range(len(predictions.cells)), key=lambda k: predictions.cells[k].tobytes())
    return predictions._replace(
        cells=predictions.cells[order],
        shares=predictions.shares[order],
        logits=predictions.logits[order],
    )


def _held_out_parts(predictions: LeaveOneOutPredictions) -> NDArray[np.intp]:
    """For each cell (K, h, h), the number of the part that it is held out with.

    A part is a support or, of a single support, a quarter around the object's centre.
    """
    if not predictions.single:
        return np.asarray(np.indices(predictions.shares.shape)[0], np.intp)
    share = predictions.shares[0]
    rows, columns = np.indices(share.shape)
    total = max(float(share.sum()), 1e-6)
    below = rows > float((rows * share).sum()) / total
    right = columns > float((columns * share).sum()) / total
    quarters = 2 * below + right
    return np.stack([quarters, quarters[:, ::-1]])


def _best_blend(
    predictions: LeaveOneOutPredictions, held_out: Float, own_shares: Float, threshold: float
) -> Blend:
    """The mean of all choices, weighted by how well each marks what was held out.

    Neighbouring choices are about equally good, and few supports do not tell which is best.
    """
    threshold_logit = logit(threshold) if 0 < threshold < 1 else 0.0
    offsets = _NO_OFFSET if predictions.single else _OFFSETS
    blended = [share * predictions.logits + (1 - share) * held_out for share in own_shares]
    iou = np.array(
        [
            [_mean_iou(each, predictions.shares, threshold_logit + o) for o in offsets]
            for each in blended
        ]
    )
    temperature = _TEMPERATURE
    if predictions.single:
        likeness = _LIKENESS_WITHIN["familiar" if predictions.familiar else "unfamiliar"]
        iou -= likeness * (1 - own_shares)[:, None]
        temperature = _TEMPERATURE_WITHIN
    weights = np.exp((iou - iou.max()) / temperature)
    weights /= weights.sum()
    own_share = float(weights.sum(axis=1) @ own_shares)
    return Blend(own_share, float(weights.sum(axis=0) @ offsets))


def _mean_iou(logits: Float, shares: Float, threshold_logit: float) -> float:
    """Mean IoU of the cells (K, h, h) that reach the threshold with the object shares."""
    marked = logits >= threshold_logit
    union = np.where(marked, np.float32(1), shares).sum(axis=(1, 2))
    shared = np.where(marked, shares, np.float32(0)).sum(axis=(1, 2))
    return float(np.mean(shared / np.maximum(union, np.float32(1e-6))))


class Regression(NamedTuple):
    """Logistic regression from the cells of K supports to their object shares.

    design: (N, F + 1) standardised cells with a one behind them.
    shares: (K, h, h) in [0, 1], the soft labels.
    mean, deviation: (F,) of the cells.
    solution: (F + 1,) weights of the design.
    """

    design: Float
    shares: Float
    mean: Float
    deviation: Float
    solution: Float

    @classmethod
    def on(cls, cells: Float, shares: Float) -> "Regression":
        """Fit to finite cells (K, F, h, h) and their object shares (K, h, h)."""
        rows = cells.transpose(0, 2, 3, 1).reshape(-1, cells.shape[1])  # (N, F)
        mean = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
        deviation = rows.std(axis=0, dtype=np.float64).astype(np.float32) + np.float32(1e-3)
        ones = np.ones((len(rows), 1), np.float32)
        design = np.hstack([(rows - mean) / deviation, ones])
        return cls(design, shares, mean, deviation, _newton(design, shares.ravel()))

    def refit(self, blend: Blend) -> Float:
        """The refit (F + 2,) that blends the network's own logit with the regression.

        See `model.contract.graphs.HEAD`.
        """
        weights = self.solution[:-1] / self.deviation
        bias = self.solution[-1] - weights @ self.mean
        fitted = (1 - blend.own_share) * np.concatenate([[bias], weights])
        fitted[0] -= blend.offset
        return np.concatenate([[blend.own_share], fitted]).astype(np.float32)

    def held_out_logits(self, parts: NDArray[np.intp]) -> Float:
        """Logits (K, h, h) of each part's cells, by a regression on all other cells.

        These regressions start at the solution on all cells and are a few steps away from it.
        """
        labels, part = self.shares.ravel(), parts.ravel()
        logits = np.empty(len(self.design), np.float32)
        for number in range(part.max() + 1):
            others = part != number
            alone = _newton(self.design[others], labels[others], start=self.solution)
            logits[~others] = self.design[~others] @ alone
        return logits.reshape(self.shares.shape)


def _newton(design: Float, shares: Float, start: Float | None = None) -> Float:
    """The minimum of the penalised cross-entropy, by Newton's method."""
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
