"""Whether an image holds the class at all, from the raw likeness of what is marked in it."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_BEST_SHARE = 0.1
EVIDENCE = ("marked_likeness", "image_likeness", "best_likeness")


class PresenceHead(nn.Module):
    """A logistic score over three cosines.

    The prior is min-max normalised and so cannot tell that nothing in an image is like the class.
    Here cosines are raw, and centred: a network's features share a large common part, without
    which cosines of different classes tell much more apart. How sure the mask is of itself is no
    evidence: a network is surer of classes that it was trained on, where the score is calibrated.

    Args:
        depth: D of the high-level feature.
    """

    centre: Tensor
    coefficients: Tensor
    intercept: Tensor

    def __init__(self, *, depth: int) -> None:
        super().__init__()
        # Calibrated behind the training (`model calibrate`); before that every score is one half.
        self.register_buffer("centre", torch.zeros(depth), persistent=False)
        self.register_buffer("coefficients", torch.zeros(len(EVIDENCE)), persistent=False)
        self.register_buffer("intercept", torch.zeros(()), persistent=False)

    def evidence(
        self, high_feature: Tensor, logits: Tensor, tokens: Tensor, token_valid: Tensor
    ) -> Tensor:
        """What the score is made of, in the order of `EVIDENCE`.

        Centred cosines between the class and what is marked, between the class and the whole
        image, and the mean of the highest tenth of the cells' own.

        Args:
            high_feature: of the queries (P, D, h, w).
            logits: foreground logits of the answers (P, h, w), or finer.
            tokens: L2-normalised foreground features (P, K, T, D), padded.
            token_valid: which tokens are real (P, K, T).

        Returns:
            (P, 3).
        """
        size = high_feature.shape[2:]
        if logits.shape[1:] != size:
            logits = F.interpolate(logits[:, None], size, mode="bilinear", align_corners=True)
        probability = logits.flatten(1).sigmoid()  # (P, N)
        best = max(1, round(_BEST_SHARE * probability.shape[1]))
        cells = F.normalize(high_feature.flatten(2), dim=1) - self.centre[:, None]  # (P, D, N)
        own = F.normalize(self._class_vector(tokens, token_valid), dim=1)  # (P, D)
        weights = probability / probability.sum(dim=1, keepdim=True).clamp_min(1e-6)
        marked = F.normalize((cells * weights.unsqueeze(1)).sum(dim=2), dim=1)
        image = F.normalize(cells.mean(dim=2), dim=1)
        each = (F.normalize(cells, dim=1) * own.unsqueeze(2)).sum(dim=1)  # (P, N)
        return torch.stack(
            [
                (marked * own).sum(dim=1),
                (image * own).sum(dim=1),
                each.topk(best, dim=1).values.mean(dim=1),
            ],
            dim=1,
        )

    def forward(
        self, high_feature: Tensor, logits: Tensor, tokens: Tensor, token_valid: Tensor
    ) -> Tensor:
        """Presence score (P,) in (0, 1); arguments as of `evidence`."""
        return self.score(self.evidence(high_feature, logits, tokens, token_valid))

    def score(self, evidence: Tensor) -> Tensor:
        """Evidence (P, 3) → score (P,) in (0, 1)."""
        return (evidence @ self.coefficients + self.intercept).sigmoid()

    def _class_vector(self, tokens: Tensor, token_valid: Tensor) -> Tensor:
        """Centred mean over each shot's tokens, then over the shots: (P, D)."""
        valid = token_valid.unsqueeze(-1).to(tokens.dtype)  # (P, K, T, 1)
        shots = (tokens * valid).sum(dim=2) / valid.sum(dim=2).clamp_min(1.0)  # (P, K, D)
        real = token_valid.any(dim=2, keepdim=True).to(tokens.dtype)  # (P, K, 1)
        return (shots * real).sum(dim=1) / real.sum(dim=1).clamp_min(1.0) - self.centre
