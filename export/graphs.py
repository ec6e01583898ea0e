"""The network split into the bundle's three graphs (docs/adr/0002)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.build.presets import imagenet_normalise
from model.nets import EncodedImages, HighCells, SDAANet
from model.nets.presence import PresenceHead

_TURNS = 64


class EncoderGraph(nn.Module):
    """Images to features, supports and queries alike.

    Inputs: image (B, S, S, 3) uint8; mask (B, S, S) object share, ones for queries.
    Outputs (named): support_feature (B, C, h, h), query_feature (B, C, h, h),
        high_feature (B, D, h, h).
    """

    def __init__(self, network: SDAANet) -> None:
        super().__init__()
        self.normalise = imagenet_normalise()
        self.network = network

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.network.encode(self.normalise(image), mask)


class PrototypeGraph(nn.Module):
    """B encoded supports to their prototypes.

    Inputs: support_feature (B, C, h, h), high_feature (B, D, h, h), mask (B, S, S).
    Outputs (named): affinity (B, C), guided (B, C), gate (B, C), tokens (B, h*h, D),
        foreground (B, h*h) bool.
    """

    def __init__(self, network: SDAANet) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, support_feature: Tensor, high_feature: Tensor, mask: Tensor
    ) -> tuple[Tensor, ...]:
        return self.network.prototype(support_feature, high_feature, mask)


class HeadGraph(nn.Module):
    """P (image, class) pairs to logits; the class-independent part of SAAM runs once per image.

    Inputs: query_feature (B, C, h, h), high_feature (B, D, h, h), image_index (P,) int64,
        affinity, guided, gate (P, C), tokens (P, K, T, D) float16, token_valid (P, K, T) bool,
        refit (P, 2C + 2), identity (P, D).
    Outputs (named): logits (P, h, h), foreground minus background, (P, S, S) of a network in the
        reference arithmetic; presence (P,); cells (P, 2C, h, h).
    """

    def __init__(self, network: SDAANet) -> None:
        super().__init__()
        self.network = network
        if network.presence is None:
            raise ValueError("a network without the prior cannot be served")
        self.presence = network.presence

    def forward(
        self,
        query_feature: Tensor,
        high_feature: Tensor,
        image_index: Tensor,
        affinity: Tensor,
        guided: Tensor,
        gate: Tensor,
        tokens: Tensor,
        token_valid: Tensor,
        refit: Tensor,
        identity: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        # The support feature of a query is not used.
        query = EncodedImages(query_feature, query_feature, high_feature)
        decoded = self.network.match(
            query,
            image_index,
            affinity=affinity,
            guided=guided,
            gate=gate,
            tokens=tokens.float(),
            token_valid=token_valid,
        )
        logits = self.network.refit_logits(decoded, refit)
        presence = self.presence(decoded.high, logits, identity)
        return logits, presence, decoded.cells


def wrap(network: SDAANet) -> dict[str, nn.Module]:
    """The three graphs by the names of `model.contract.GRAPHS`."""
    return {
        "encoder": EncoderGraph(network),
        "prototype": PrototypeGraph(network),
        "head": HeadGraph(network),
    }


def example_inputs(
    network: SDAANet, *, images: int, pairs: int, shots: int, tokens: int, seed: int
) -> dict[str, tuple[Tensor, ...]]:
    """Random inputs of each graph, made consistent by running the graphs that come before it.

    No class is clearly present or absent, see `_undecided`.

    Args:
        network: in eval mode.
        images: B.
        pairs: P.
        shots: K.
        tokens: T.
        seed: of the random inputs.
    """
    generator = torch.Generator().manual_seed(seed)
    side = network.input_side
    image = torch.randint(0, 256, (images, side, side, 3), generator=generator, dtype=torch.uint8)
    coarse = (torch.rand(images, 1, 6, 6, generator=generator) > 0.6).float()
    mask = nn.functional.interpolate(coarse, size=(side, side))[:, 0]
    encoder, prototype, head = EncoderGraph(network), PrototypeGraph(network), HeadGraph(network)
    with torch.inference_mode():
        support, query, high = encoder(image, mask)
        affinity, guided, gate, dense, _ = prototype(support, high, mask)
    rows = torch.randint(0, images, (pairs,), generator=generator)
    picked = torch.randint(0, dense.shape[1], (pairs, shots, tokens), generator=generator)
    valid = torch.rand(pairs, shots, tokens, generator=generator) > 0.3
    valid[:, 0, 0] = True  # every class has at least one token
    asked = (
        query.clone(),
        high.clone(),
        rows,
        affinity[rows].clone(),
        guided[rows].clone(),
        gate[rows].clone(),
        dense[rows[:, None, None], picked].half(),
        valid,
        torch.randn(pairs, 2 * affinity.shape[1] + 2, generator=generator) / 10,
    )
    alike = dense[rows].mean(dim=1)
    with torch.inference_mode():
        logits, _, _ = head(*asked, alike)
        identity = _undecided(head.presence, HighCells.of(high, rows), logits, alike, generator)
    return {
        "encoder": (image, mask),
        "prototype": (support.clone(), high.clone(), mask),
        "head": (*asked, identity.clone()),
    }


def _undecided(
    presence: PresenceHead,
    high: HighCells,
    logits: Tensor,
    alike: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Identities (P, D) whose presence scores are as close to one half as possible.

    A saturated score, such as the 0.99998 of an image with itself, would hide differences. So the
    identity is rotated away from the image, by up to 180 degrees, until the score is near one half.
    """
    likeness = alike - presence.centre
    aside = torch.randn(alike.shape, generator=generator)
    aside = aside - likeness * _product(aside, likeness) / _product(likeness, likeness)
    aside = F.normalize(aside, dim=1) * likeness.norm(dim=1, keepdim=True)
    turned = torch.stack(
        [
            presence.centre + math.cos(angle) * likeness + math.sin(angle) * aside
            for angle in (math.pi * turn / _TURNS for turn in range(_TURNS + 1))
        ]
    )  # (turns, P, D)
    scores = torch.stack([presence(high, logits, each) for each in turned])
    nearest = (scores - 0.5).abs().argmin(dim=0)  # (P,)
    return turned[nearest, torch.arange(len(alike))]


def _product(one: Tensor, other: Tensor) -> Tensor:
    """Dot products (P, 1) of the rows of two (P, D)."""
    return (one * other).sum(dim=1, keepdim=True)


def comparison_inputs(network: SDAANet) -> dict[str, dict[str, tuple[Tensor, ...]]]:
    """Inputs for comparing each graph with ONNX, by case; several sizes of every axis."""
    return {
        "example": example_inputs(network, images=2, pairs=3, shots=2, tokens=5, seed=0),
        "single": example_inputs(network, images=1, pairs=1, shots=1, tokens=1, seed=1),
        "many": example_inputs(network, images=3, pairs=4, shots=5, tokens=40, seed=2),
    }
