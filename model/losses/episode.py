"""The loss of a batch of episodes: the weighted sum of all terms."""

import torch
from torch import Tensor

from model.losses.terms import (
    LossCounts,
    LossTerms,
    LossWeights,
    Strategy,
    count_labels,
    distillation_loss,
    segmentation_loss,
    shows_class,
)
from model.nets import SDAANetOutput
from model.nets.pooling import MaskResize, masked_average
from model.nets.sdpm import reweight_prototype


def episode_loss(
    output: SDAANetOutput,
    *,
    query_labels: Tensor,
    support_labels: Tensor,
    resize_mask: MaskResize,
    strategy: Strategy,
    weights: LossWeights,
    counts: LossCounts | None = None,
) -> LossTerms:
    """All terms for a batch of episodes; the term of a part that the network lacks is 0.

    Args:
        output: of `SDAANet.forward_training`.
        query_labels: (B, H, W) 0, 1 or 255.
        support_labels: (B, K, H, W) 0, 1 or 255.
        resize_mask: the network's own mask resize.
        strategy: of the distillation.
        weights: of the terms.
        counts: what the terms are divided by; the batch's own unless given.
    """
    if counts is None:
        counts = count_labels(query_labels, support_labels)
    main = segmentation_loss(output.logits, query_labels, counts.query_pixels)
    auxiliary = torch.stack(
        [
            segmentation_loss(logits, query_labels, counts.query_pixels)
            for logits in output.auxiliary_logits
        ]
    ).mean()
    support = distillation = main.new_zeros(())
    if output.support_logits is not None:
        support = segmentation_loss(
            output.support_logits, support_labels.flatten(0, 1), counts.support_pixels
        )
    # A query without the class has no prototype to learn from.
    holds = shows_class(query_labels)
    if output.guided_shots is not None and holds.any():
        distillation = distillation_loss(
            output.guided_shots[holds],
            _query_prototype(output, query_labels, resize_mask)[holds],
            strategy=strategy,
            weights=weights,
        ) * (holds.sum() / counts.holding)
    total = (
        main
        + weights.auxiliary * auxiliary
        + weights.distillation * distillation
        + weights.support * support
    )
    return LossTerms(total, main, auxiliary, distillation, support)


def _query_prototype(output: SDAANetOutput, labels: Tensor, resize_mask: MaskResize) -> Tensor:
    """p_q (B, C) of SDPM, from the queries' own ground truth (B, H, W)."""
    foreground = resize_mask((labels == 1).to(output.query_feature.dtype))
    return reweight_prototype(masked_average(output.query_feature, foreground), output.gate)
