"""Whether an image contains the class at all, from raw similarities of features."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.nets.outputs import HighCells

_BEST_SHARE = 0.1
EVIDENCE = ("marked_likeness", "image_likeness", "best_likeness")


class PresenceHead(nn.Module):
    """A logistic score over three cosines.

    The prior is min-max normalised, so it cannot show that nothing in an image resembles the class.
    Here cosines are raw and centred: features of a network share a large component, and without
    it cosines separate classes much better. The confidence of the mask is not used: a network is
    more confident on the classes it was trained on, and on those the score is calibrated.

    Args:
        depth: D of the high-level feature.
    """

    centre: Tensor
    coefficients: Tensor
    intercept: Tensor
    growth: Tensor

    def __init__(self, *, depth: int) -> None:
        super().__init__()
        # Calibrated after training (`model calibrate`); until then every score is one half.
        self.register_buffer("centre", torch.zeros(depth), persistent=False)
        self.register_buffer("coefficients", torch.zeros(len(EVIDENCE)), persistent=False)
        self.register_buffer("intercept", torch.zeros(()), persistent=False)
        self.register_buffer("growth", torch.zeros(()), persistent=False)

    def evidence(self, high: HighCells, logits: Tensor, identity: Tensor) -> Tensor:
        """The inputs of the score, in the order of `EVIDENCE`.

        Centred cosines of the class with the predicted foreground and with the whole image, and
        the mean over the tenth of the cells with the highest cosine.

        Args:
            high: cells of the queries, (P, D, h, w).
            logits: predicted foreground logits (P, h, w), or finer.
            identity: of the classes (P, D): the mean over shots of each shot's mean L2-normalised
                foreground feature, which is the mean over its views (docs/adr/0010).

        Returns:
            (P, 3).
        """
        size = high.feature.shape[2:]
        if logits.shape[1:] != size:
            logits = F.interpolate(logits[:, None], size, mode="bilinear", align_corners=True)
        probability = logits.flatten(1).sigmoid()  # (P, N)
        best = max(1, round(_BEST_SHARE * probability.shape[1]))
        weights = probability / probability.sum(dim=1, keepdim=True).clamp_min(1e-6)
        own = F.normalize(identity - self.centre, dim=1)  # (P, D)
        # Normalise the dot products, not the cells: that saves D operations per cell.
        query = high.feature.flatten(2)  # (P, D, N)
        norm = high.length.flatten(1)  # (P, N)
        inverse = 1 / norm.clamp_min(1e-12)
        spread = torch.stack([weights * inverse, inverse / inverse.shape[1]], dim=2)  # (P, N, 2)
        total = torch.stack([weights.sum(dim=1), torch.ones_like(weights[:, 0])], dim=1)  # (P, 2)
        means = query @ spread - self.centre[:, None] * total[:, None]  # (P, D, 2)
        alike = (F.normalize(means, dim=1) * own.unsqueeze(2)).sum(dim=1)  # (P, 2)
        each = self._cosines(query, own, norm * inverse, inverse)
        return torch.cat([alike, each.topk(best, dim=1).values.mean(dim=1, keepdim=True)], dim=1)

    def _cosines(self, query: Tensor, own: Tensor, length: Tensor, inverse: Tensor) -> Tensor:
        """Centred cosines (P, N) of cells with the class.

        Args:
            query: cells (P, D, N), neither normalised nor centred.
            own: centred unit vector of the class (P, D).
            length: of the normalised cells (P, N): 1, or 0 for a cell of zeros.
            inverse: one over the norm of each cell (P, N).
        """
        axes = torch.stack([own, self.centre.expand_as(own)], dim=1)  # (P, 2, D)
        with_own, with_centre = ((axes @ query) * inverse[:, None]).unbind(dim=1)
        square = length.square() - 2 * with_centre + self.centre.square().sum()
        offset = (own @ self.centre)[:, None]
        return (with_own - offset) / square.clamp_min(1e-12).sqrt()

    def forward(self, high: HighCells, logits: Tensor, identity: Tensor) -> Tensor:
        """Presence score (P,) in (0, 1) of one-shot classes; arguments as in `evidence`."""
        return self.score(self.evidence(high, logits, identity))

    def score(self, evidence: Tensor, *, shots: float = 1) -> Tensor:
        """Evidence (P, 3) → score (P,) in (0, 1).

        The mean of more shots is closer to any image: the logit grows by `growth` with e times as
        many different `shots`, which is subtracted.
        """
        logits = evidence @ self.coefficients + self.intercept
        if shots > 1:
            logits = logits - self.growth * math.log(shots)
        return logits.sigmoid()
