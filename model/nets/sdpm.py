"""Self-distillation guided prototype module and its squeeze and excitation (section III-C)."""

from torch import Tensor, nn


class SSEBlock(nn.Module):
    """Support-guided squeeze and excitation: a channel gate made from the support prototype alone.

    Args:
        channels: C.
        ratio: C over the hidden width.
    """

    def __init__(self, *, channels: int, ratio: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, channels // ratio)
        self.excite = nn.Linear(channels // ratio, channels)
        self.relu = nn.ReLU()

    def forward(self, prototype: Tensor) -> Tensor:
        """Prototype (B, C) → gate (B, C) in (0, 1)."""
        gate: Tensor = self.excite(self.relu(self.squeeze(prototype))).sigmoid()
        return gate


def gate_factor(gate: Tensor) -> Tensor:
    """What a gate multiplies channels by: the mean of gated and original is F * (1 + a) / 2."""
    return (1 + gate) / 2


def product_gate(gates: Tensor) -> Tensor:
    """One gate for K shots (B, K, C) → (B, C), as the authors' code applies them.

    It multiplies the query's feature by (1 + a) / 2 of every shot in turn, and once more by that
    of the mean of those factors: K + 1 factors, two of them at one shot. The result is the gate
    whose own (1 + a) / 2 is that product, so it may be negative.
    """
    factors = gate_factor(gates)
    product = factors.prod(dim=1) * (1 + factors.mean(dim=1)) / 2
    return 2 * product - 1


def reweight_prototype(prototype: Tensor, gate: Tensor) -> Tensor:
    """Mean of the gated and the original, for prototypes (..., C).

    The gate is constant over positions, so gating commutes with masked averaging: the prototype
    of the reweighted feature is the reweighted prototype.
    """
    return prototype * gate_factor(gate)
