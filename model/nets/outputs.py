"""What the parts of the network hand on: named tensors with their shapes."""

from typing import NamedTuple, Self

import torch
from torch import Tensor


class EncodedImages(NamedTuple):
    """The features of images, as supports and as queries; see `contract.graphs.ENCODER`."""

    support_feature: Tensor  # (B, C, h, w)
    query_feature: Tensor  # (B, C, h, w)
    high_feature: Tensor  # (B, D, h, w); D = 0 without the prior


class SupportVectors(NamedTuple):
    """The vectors of B shots; without SDPM, guided equals affinity and the gate is empty."""

    affinity: Tensor  # (B, C)
    guided: Tensor  # (B, C)
    gate: Tensor  # (B, C), or (B, 0)


class Prototypes(NamedTuple):
    """The prototypes of B shots, as in `contract.graphs.PROTOTYPE`; N = 0 without the prior."""

    affinity: Tensor  # (B, C)
    guided: Tensor  # (B, C)
    gate: Tensor  # (B, C), or (B, 0) without SDPM
    tokens: Tensor  # (B, N, D)
    foreground: Tensor  # (B, N) bool


class HighCells(NamedTuple):
    """The high-level feature of the images of P pairs, and the lengths of its cells, in float32.

    Lengths do not depend on the class: they are taken once for an image, before it is repeated.
    """

    feature: Tensor  # (P, D, h, w)
    length: Tensor  # (P, h, w)

    @classmethod
    def of(cls, high_feature: Tensor, image_index: Tensor) -> Self:
        """Of images (B, D, h, w), those of P pairs by `image_index` (P,)."""
        feature = high_feature.float()
        length: Tensor = feature.norm(dim=1)
        return cls(feature.index_select(0, image_index), length.index_select(0, image_index))


class MatchOutput(NamedTuple):
    """Output for P pairs of image and class, with the intermediate maps; None without that part."""

    logits: Tensor  # (P, 2, h, w), or (P, 2, S, S) in the reference arithmetic
    auxiliary: tuple[Tensor, ...]  # (P, 2, bin, bin) each
    attention: Tensor | None  # (P, 1, h, w) of SAAM; in (0, 1), unbounded in the reference's
    prior: Tensor | None  # (P, 1, h, w) in [0, 1]
    decoded: Tensor  # (P, C, h, w) the classifier's input
    query_feature: Tensor  # (P, C, h, w) before reweighting
    high: HighCells | None

    @property
    def cells(self) -> Tensor:
        """Input of a refit, (P, 2C, h, w): the decoder's last feature and the query's feature."""
        return torch.cat([self.decoded, self.query_feature], dim=1)


class SDAANetOutput(NamedTuple):
    """Everything the losses need."""

    logits: Tensor  # (B, 2, h, w)
    auxiliary_logits: tuple[Tensor, ...]  # (B, 2, bin, bin) each
    support_logits: Tensor | None  # (B * K, 2, h, w); none without SAAM
    guided_shots: Tensor | None  # (B, K, C) p_s of each shot; none without SDPM
    gate: Tensor  # (B, C) mean over the shots; (B, 0) without SDPM
    query_feature: Tensor  # (B, C, h, w) before reweighting

    def float(self) -> Self:
        """The same in float32, for losses after a forward in mixed precision."""
        auxiliary = tuple(logits.float() for logits in self.auxiliary_logits)
        return type(self)(
            self.logits.float(),
            auxiliary,
            None if self.support_logits is None else self.support_logits.float(),
            None if self.guided_shots is None else self.guided_shots.float(),
            self.gate.float(),
            self.query_feature.float(),
        )
