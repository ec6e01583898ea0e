"""The training-free prior map (PFENet, arXiv 2008.01449).

Its cosines are stretched from minimum to maximum, so they need the digits that bf16 has not
(docs/adr/0015): under autocast, the functions here compute in float32 all the same.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from model.nets.outputs import HighCells


def prior_map(query: HighCells, tokens: Tensor, token_valid: Tensor) -> Tensor:
    """Similarity of each query position to the supports' foreground.

    For each shot: the largest cosine similarity to any of its foreground positions, min-max
    normalised over the map; then the mean over the shots.

    Args:
        query: high-level cells of P pairs, (P, D, h, w).
        tokens: L2-normalised foreground features (P, K, T, D), padded.
        token_valid: which tokens are not padding (P, K, T); a shot without any is padding.

    Returns:
        Prior (P, 1, h, w) in [0, 1].
    """
    device = tokens.device.type
    if torch.is_autocast_enabled(device):
        with torch.autocast(device, enabled=False):
            return prior_map(query, tokens.float(), token_valid)
    pairs, shots, length, depth = tokens.shape
    height, width = query.feature.shape[2:]
    tokens = _without_padding(tokens.flatten(0, 1), token_valid.flatten(0, 1))
    products = tokens.reshape(pairs, shots * length, depth) @ query.feature.flatten(2)
    best = products.reshape(pairs, shots, length, height * width).amax(dim=2)  # (P, K, N)
    # Divided by the length after the maximum: once for each shot and position instead of D times.
    best = best / query.length.flatten(1)[:, None].clamp_min(1e-12)
    low, high = best.amin(dim=2, keepdim=True), best.amax(dim=2, keepdim=True)
    normalised = (best - low) / (high - low + 1e-7)
    shot_valid = token_valid.any(dim=2).to(best.dtype).unsqueeze(-1)  # (P, K, 1)
    mean = (normalised * shot_valid).sum(dim=1) / shot_valid.sum(dim=1).clamp_min(1.0)
    return mean.reshape(pairs, 1, height, width)


def _without_padding(tokens: Tensor, token_valid: Tensor) -> Tensor:
    """Tokens (M, T, D) with the first valid one of each shot in place of padding (M, T).

    A repeated token changes no maximum, and is cheaper to write than what every position has of it.
    """
    first = token_valid.int().argmax(dim=1)[:, None, None].expand(-1, -1, tokens.shape[2])
    return torch.where(token_valid.unsqueeze(2), tokens, tokens.gather(1, first))


def foreground_tokens(
    high_feature: Tensor, mask: Tensor, *, min_share: float = 0.5
) -> tuple[Tensor, Tensor]:
    """The support side of the prior.

    Args:
        high_feature: support high-level feature (B, D, h, w).
        mask: object share of each cell (B, 1, h, w).
        min_share: of a cell that the object must cover; at 0 it need only touch the cell.

    Returns:
        L2-normalised features (B, N, D) of every position, and which are foreground (B, N): cells
        covered by `min_share`, or the most covered ones where the object is smaller than that.
    """
    device = high_feature.device.type
    if torch.is_autocast_enabled(device):
        with torch.autocast(device, enabled=False):
            return foreground_tokens(high_feature.float(), mask, min_share=min_share)
    tokens = F.normalize(high_feature.flatten(2), dim=1).transpose(1, 2)  # (B, N, D)
    share = mask.flatten(1)  # (B, N)
    enough = share.amax(dim=1, keepdim=True).clamp_max(min_share)
    return tokens, (share >= enough) & (share > 0)
