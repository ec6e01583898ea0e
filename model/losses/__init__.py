"""The four loss terms of SD-AANet (section III-E)."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from model.nets import SDAANetOutput
from model.nets.pooling import MaskResize, masked_average
from model.nets.sdpm import reweight_prototype

IGNORE = 255
Strategy = Literal["integral", "separate"]


class LossWeights(NamedTuple):
    """Weights of the terms; temperature T and the factor of T² belong to the distillation."""

    auxiliary: float = 1.0
    distillation: float = 50.0
    support: float = 0.5
    temperature: float = 5.0
    temperature_factor: float = 0.9


class LossTerms(NamedTuple):
    """Unweighted terms and their weighted sum, scalars."""

    total: Tensor
    main: Tensor
    auxiliary: Tensor
    distillation: Tensor
    support: Tensor


class LossCounts(NamedTuple):
    """What the terms are divided by, float scalars.

    Processes that share a batch divide by the mean of their counts, so that the mean of their
    gradients is the gradient of the whole batch.

    query_pixels, support_pixels: not ignored.
    holding: queries that show the class.
    """

    query_pixels: Tensor
    support_pixels: Tensor
    holding: Tensor


def count_labels(query_labels: Tensor, support_labels: Tensor) -> LossCounts:
    """The counts of labels (B, H, W) and (B, K, H, W)."""
    return LossCounts(
        (query_labels != IGNORE).sum().float(),
        (support_labels != IGNORE).sum().float(),
        _holding(query_labels).sum().float(),
    )


def segmentation_loss(logits: Tensor, labels: Tensor, pixels: Tensor | None = None) -> Tensor:
    """Cross entropy of logits (B, 2, h, w), brought to labels (B, H, W) bilinearly; 255 ignored.

    Zero, not NaN, when every pixel is ignored.

    Args:
        logits: at any size.
        labels: 0, 1 or 255.
        pixels: what the sum is divided by; the labels that are not ignored unless given.
    """
    full = F.interpolate(logits, size=labels.shape[1:], mode="bilinear", align_corners=False)
    total = F.cross_entropy(full, labels.long(), ignore_index=IGNORE, reduction="sum")
    divisor = (labels != IGNORE).sum() if pixels is None else pixels
    return total / divisor.clamp_min(1)


def distillation_loss(
    guided_shots: Tensor, query_prototype: Tensor, *, strategy: Strategy, weights: LossWeights
) -> Tensor:
    """KL from the teacher to the support prototypes (SDPM).

    Args:
        guided_shots: p_s of each shot (B, K, C).
        query_prototype: p_q from the query's own ground truth (B, C).
        strategy: `integral` distils the mean of the shots, `separate` each shot with a teacher
            of its own.
    """
    student = guided_shots
    if strategy == "integral":
        student = guided_shots.mean(dim=1, keepdim=True)
    teacher = ((student + query_prototype.unsqueeze(1)) / 2).detach()
    temperature = weights.temperature
    divergence = F.kl_div(
        (student / temperature).log_softmax(dim=-1),
        (teacher / temperature).softmax(dim=-1),
        reduction="none",
    ).sum(dim=-1)  # (B, K)
    return divergence.mean() * weights.temperature_factor * temperature**2


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
    holds = _holding(query_labels)
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


def _holding(query_labels: Tensor) -> Tensor:
    """Which queries (B,) show the class."""
    return (query_labels == 1).flatten(1).any(dim=1)


def _query_prototype(output: SDAANetOutput, labels: Tensor, resize_mask: MaskResize) -> Tensor:
    """p_q (B, C) of SDPM, from the queries' own ground truth (B, H, W)."""
    foreground = resize_mask((labels == 1).to(output.query_feature.dtype))
    return reweight_prototype(masked_average(output.query_feature, foreground), output.gate)
