"""The four loss terms of SD-AANet (section III-E)."""

from model.losses.episode import episode_loss
from model.losses.terms import (
    IGNORE,
    LossCounts,
    LossTerms,
    LossWeights,
    Strategy,
    count_labels,
    distillation_loss,
    segmentation_loss,
)

__all__ = [
    "IGNORE",
    "LossCounts",
    "LossTerms",
    "LossWeights",
    "Strategy",
    "count_labels",
    "distillation_loss",
    "episode_loss",
    "segmentation_loss",
]
