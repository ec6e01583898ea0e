"""The calibrated threshold of a class, from leave-one-out predictions of its shots."""

import numpy as np
from numpy.typing import ArrayLike

from model.contract import SupportSet
from service.sessions.judging.rows import read_curves
from service.sessions.judging.signals import THRESHOLDS

_OWN_WEIGHT = 2.0  # of the model's threshold, in shots; measured in docs/report-card.md


def class_threshold(supports: SupportSet, own_threshold: float) -> float:
    """The calibrated threshold of a class; the model's own where no shot was judged.

    It is the model's too where the class has a refit, which was fitted for that threshold.
    """
    if supports.refit is not None:
        return own_threshold
    return calibrated_threshold(read_curves(supports.judgements), own_threshold)


def calibrated_threshold(
    curves: ArrayLike, own: float, *, own_weight: float = _OWN_WEIGHT
) -> float:
    """A threshold between the model's own and the nearest one of greatest mean IoU.

    Args:
        curves: (N, T) IoU at each of `THRESHOLDS`, of every judged shot. Those that are 0
            throughout, as of an object too small to be judged, do not count; without others, `own`
            is returned.
        own: the model's.
        own_weight: how many shots the model's weighs as much as.
    """
    judged = np.asarray(curves, np.float64).reshape(-1, len(THRESHOLDS))
    telling = judged[judged.max(axis=1, initial=0) > 0]
    if not len(telling):
        return own
    mean = np.mean(telling, axis=0)
    best = min(np.asarray(THRESHOLDS)[mean == mean.max()], key=lambda each: abs(each - own))
    return float(own + (best - own) * len(telling) / (len(telling) + own_weight))
