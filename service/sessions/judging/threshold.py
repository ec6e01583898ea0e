"""The threshold that suits a class, by its shots as predicted from each other."""

from collections.abc import Sequence

import numpy as np

from service.sessions.judging.signals import THRESHOLDS

_OWN_WEIGHT = 2.0  # of the model's threshold, in shots; measured in docs/report-card.md


def calibrated_threshold(
    curves: Sequence[Sequence[float]], own: float, *, own_weight: float = _OWN_WEIGHT
) -> float:
    """A threshold between the model's own and the one of greatest mean IoU.

    Args:
        curves: IoU at each of `THRESHOLDS`, of every judged shot; without any, `own` is returned.
        own: the model's.
        own_weight: how many shots the model's weighs as much as.
    """
    if not curves:
        return own
    best = THRESHOLDS[int(np.mean(curves, axis=0).argmax())]
    return own + (best - own) * len(curves) / (len(curves) + own_weight)
