"""The terms of the loss, and what they are divided by."""

from typing import Literal, NamedTuple

from torch import Tensor
from torch.nn import functional as F

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
        shows_class(query_labels).sum().float(),
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


def shows_class(query_labels: Tensor) -> Tensor:
    """Whether each query's label map (B, H, W) shows the class, (B,) bool."""
    return (query_labels == 1).flatten(1).any(dim=1)
