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
from model.runtime.logistic import (
    choice_weights,
    fit_logistic,
    held_out_logits,
    held_out_parts,
    shot_ious,
)
from model.runtime.one_thread import on_one_thread

# The share of the network's own logit in a refit that is asked for: that logit is steadier than a
# fit to few cells. It is this share with one shot, and a Kth of it with K shots (ADR 11).
_OWN_SHARE = 0.2
# The choices: that share, with `auto` alone, and how far logits are lowered.
_SHARES = np.linspace(0, 1, 11, dtype=np.float32)
_OFFSETS = np.linspace(-1, 1, 9, dtype=np.float32)
_NO_OFFSET = np.zeros(1, np.float32)
# Parts of a single support are more alike than two images are. The gain of a fit on held-out parts
# is lowered by this much; by less on images unlike those of training, for which the network's own
# logit is worse. Parts tell nothing of the threshold.
_LIKENESS_WITHIN = {"familiar": 0.4, "unfamiliar": 0.15}
# A fit to one small object learns its size and misses larger ones elsewhere. To a single support
# like the images of training, `auto` fits only if its object covers at least this share of it. In
# others, the network mostly finds nothing without a fit.
_MIN_SHARE_WITHIN = 0.05
# From this share on, the network's own logit is kept alone, unless the threshold moves.
_ALL_BUT_OWN = 0.95

# Fit always, never, or as far as that helps on supports that it was not fitted to.
Adapt = bool | Literal["auto"]


class Blend(NamedTuple):
    """The share of the network's own logit beside a regression, and how far logits are lowered."""

    own_share: float
    offset: float = 0.0

    def of(self, own: Float, fitted: Float) -> Float:
        """Both kinds of logits, blended."""
        share = np.float32(self.own_share)
        return share * own + (1 - share) * fitted - np.float32(self.offset)


class Refit(NamedTuple):
    """The head's last layer for one class.

    weights: (F + 2,), see `model.contract.graphs.HEAD`.
    held_out: (K, h, h) logits of each support by what is learned of the others; of a single one
        and its mirror image, by what is learned of the other quarters.
    """

    weights: Float
    held_out: Float


@on_one_thread
def choose_refit(
    predictions: LeaveOneOutPredictions, adapt: Adapt, *, threshold: float
) -> Refit | None:
    """The refit of a class; None to keep the network's own answer.

    Args:
        predictions: of the class's supports.
        adapt: `auto` fits as far as that marks held-out supports better. Of a single support,
            quarters are held out, and there is no fit to a small object of a familiar image.
        threshold: foreground probability from which a pixel is marked.
    """
    if not adapt or (adapt == "auto" and _is_small(predictions)):
        return None
    order = _canonical_order(predictions)
    predictions = predictions.in_order(order)
    regression = Regression.on(predictions.cells, predictions.shares)
    held_out = regression.held_out_logits(held_out_parts(predictions.shares, predictions.single))
    if adapt == "auto":
        blend = _best_blend(predictions, held_out, _SHARES, threshold)
        if blend.own_share >= _ALL_BUT_OWN and abs(blend.offset) < _OFFSETS[-1] - _OFFSETS[-2]:
            return None
    elif predictions.single:
        blend = Blend(_OWN_SHARE)
    else:
        least = np.full(1, _OWN_SHARE / len(predictions.cells), np.float32)
        blend = _best_blend(predictions, held_out, least, threshold)
    blended = blend.of(predictions.logits, held_out)
    return Refit(regression.refit(blend), blended[np.argsort(order)])


def _is_small(predictions: LeaveOneOutPredictions) -> bool:
    """Whether there is only one support, a familiar image, and its object is small."""
    share = float(predictions.shares.mean())
    return predictions.single and predictions.familiar and share < _MIN_SHARE_WITHIN


def _canonical_order(predictions: LeaveOneOutPredictions) -> list[int]:
    """Of the supports, so that sums of floats do not depend on the order they came in."""
    positions = range(len(predictions.cells))
    if predictions.single:
        return list(positions)
    return sorted(positions, key=lambda k: predictions.cells[k].tobytes())


def _best_blend(
    predictions: LeaveOneOutPredictions, held_out: Float, own_shares: Float, threshold: float
) -> Blend:
    """The mean of all choices, weighted by how well each marks what was held out."""
    threshold_logit = logit(threshold)
    offsets = _NO_OFFSET if predictions.single else _OFFSETS
    blended = [Blend(float(share)).of(predictions.logits, held_out) for share in own_shares]
    iou = np.array(
        [
            [shot_ious(each, predictions.shares, threshold_logit + o).mean() for o in offsets]
            for each in blended
        ]
    )
    if predictions.single:
        likeness = _LIKENESS_WITHIN["familiar" if predictions.familiar else "unfamiliar"]
        iou -= likeness * (1 - own_shares)[:, None]
    weights = choice_weights(iou, single=predictions.single)
    own_share = float(weights.sum(axis=1) @ own_shares)
    return Blend(own_share, float(weights.sum(axis=0) @ offsets))


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
        return cls(design, shares, mean, deviation, fit_logistic(design, shares.ravel()))

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

        Args:
            parts: (K, h, h) the number of each cell's part.
        """
        labels = self.shares.ravel()
        logits = held_out_logits(self.design, labels, parts.ravel(), self.solution)
        return logits.reshape(self.shares.shape)
