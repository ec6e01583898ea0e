"""How well a presence score separates images with and without the class, and its threshold."""

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve


def presence_auroc(present: Sequence[bool], scores: Sequence[float]) -> float:
    """Area under the ROC curve: how probably an image with the class scores above one without.

    Raises:
        ValueError: all images hold the class, or none does.
    """
    need_both_kinds(present)
    return float(roc_auc_score(present, scores))


def youden_threshold(present: Sequence[bool], scores: Sequence[float]) -> float:
    """The score from which a class counts as present, by Youden's index.

    It maximises sensitivity plus specificity, so it does not depend on how many of the images lack
    the class. The threshold lies halfway between the two scores that it separates, since scores of
    other classes are never quite the same.

    Raises:
        ValueError: all images hold the class, or none does.
    """
    need_both_kinds(present)
    absent_kept, present_kept, thresholds = roc_curve(present, scores)
    # The first threshold is infinity and keeps nothing.
    lowest_kept = float(thresholds[1:][np.argmax((present_kept - absent_kept)[1:])])
    emptied = [score for score in scores if score < lowest_kept]
    return (lowest_kept + max(emptied)) / 2 if emptied else lowest_kept


def need_both_kinds(present: Sequence[bool]) -> None:
    """Require queries with the class and queries without it.

    Raises:
        ValueError: there is one kind only.
    """
    if len(set(present)) < 2:
        raise ValueError(
            "presence is judged on images with and without the class, and there is one kind "
            "only: take more --episodes, or another share of absent ones"
        )
