"""Whether an image holds the class at all, from the raw likeness of what is marked in it."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_BEST_SHARE = 0.1
EVIDENCE = ("marked_likeness", "image_likeness", "best_likeness")


class PresenceHead(nn.Module):
    """A logistic score over three cosines.

    The prior is min-max normalised and so cannot tell that nothing in an image is like the class.
    Here cosines are raw, and centred: features of a network have a large part in common, without
    which cosines tell classes apart much better. How sure the mask is of itself is no evidence: a
    network is surer of the classes that it was trained on, and with those the score is calibrated.

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

    def evidence(self, high_feature: Tensor, logits: Tensor, identity: Tensor) -> Tensor:
        """What the score is made of, in the order of `EVIDENCE`.

        Centred cosines between the class and what is marked, between the class and the whole
        image, and the mean of the highest tenth of the cells' own.

        Args:
            high_feature: of the queries (P, D, h, w).
            logits: foreground logits of the answers (P, h, w), or finer.
            identity: of the classes (P, D): the mean over shots of each shot's mean L2-normalised
                foreground feature, taken from close-ups where objects are small.

        Returns:
            (P, 3).
        """
        size = high_feature.shape[2:]
        if logits.shape[1:] != size:
            logits = F.interpolate(logits[:, None], size, mode="bilinear", align_corners=True)
        probability = logits.flatten(1).sigmoid()  # (P, N)
        best = max(1, round(_BEST_SHARE * probability.shape[1]))
        weights = probability / probability.sum(dim=1, keepdim=True).clamp_min(1e-6)
        own = F.normalize(identity - self.centre, dim=1)  # (P, D)
        # A cell has D numbers, so not cells are normalised and centred, but products with them.
        query = high_feature.flatten(2)  # (P, D, N)
        norm = query.norm(dim=1)  # (P, N)
        inverse = 1 / norm.clamp_min(1e-12)
        spread = torch.stack([weights * inverse, inverse / inverse.shape[1]], dim=2)  # (P, N, 2)
        total = torch.stack([weights.sum(dim=1), torch.ones_like(weights[:, 0])], dim=1)  # (P, 2)
        means = query @ spread - self.centre[:, None] * total[:, None]  # (P, D, 2)
        alike = (F.normalize(means, dim=1) * own.unsqueeze(2)).sum(dim=1)  # (P, 2)
        each = self._cosines(query, own, norm * inverse, inverse)
        return torch.cat([alike, each.topk(best, dim=1).values.mean(dim=1, keepdim=True)], dim=1)

    def _cosines(self, query: Tensor, own: Tensor, length: Tensor, inverse: Tensor) -> Tensor:
        """Centred cosines (P, N) of cells (P, D, N) with the class's own unit vector (P, D).

        Args:
            query: cells as they are.
            own: of the class, centred.
            length: of the cells once normalised, 1 or 0 (P, N).
            inverse: one over the norm of each cell (P, N).
        """
        axes = torch.stack([own, self.centre.expand_as(own)], dim=1)  # (P, 2, D)
        with_own, with_centre = ((axes @ query) * inverse[:, None]).unbind(dim=1)
        square = length.square() - 2 * with_centre + self.centre.square().sum()
        offset = (own @ self.centre)[:, None]
        return (with_own - offset) / square.clamp_min(1e-12).sqrt()

    def forward(self, high_feature: Tensor, logits: Tensor, identity: Tensor) -> Tensor:
        """Presence score (P,) in (0, 1), as of one shot; arguments as in `evidence`."""
        return self.score(self.evidence(high_feature, logits, identity))

    def score(self, evidence: Tensor, *, shots: int = 1) -> Tensor:
        """Evidence (P, 3) of classes of as many shots → score (P,) in (0, 1).

        The more shots, the nearer their mean is to any image: by `growth` with e times as many.
        """
        logits = evidence @ self.coefficients + self.intercept
        if shots > 1:
            logits = logits - self.growth * math.log(shots)
        return logits.sigmoid()
