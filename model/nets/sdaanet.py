"""SD-AANet: encoder, SDPM, SAAM, prior and decoder put together (arXiv 2108.06600, figure 2)."""

from typing import Self

import torch
from torch import Tensor, nn

from model.nets.backbones import Backbone, BackboneFeatures
from model.nets.decoder import DecoderInput, PyramidDecoder
from model.nets.outputs import (
    EncodedImages,
    HighCells,
    MatchOutput,
    Prototypes,
    SDAANetOutput,
    SupportVectors,
)
from model.nets.pooling import MaskResize, masked_average, upsample
from model.nets.presence import PresenceHead
from model.nets.prior import foreground_tokens, prior_map
from model.nets.saam import SAAM
from model.nets.sdpm import SSEBlock, gate_factor, product_gate, reweight_prototype

# Added to the weight of a masked average by the authors' code.
_REFERENCE_EPS = 5e-4


class SDAANet(nn.Module):
    """Few-shot segmentation network.

    SAAM, SDPM and the prior can be left out for ablations. Without SAAM and SDPM it is the baseline
    of the paper's ablation, which varies these two alone (ResNet-50 on PASCAL-5i at one shot: 60.4
    mIoU, with both 62.9): a masked-average prototype, the prior and the decoder.

    Args:
        backbone: encoder; see `nets.backbones.Backbone`.
        input_side: S, pixels.
        channels: C of the reduced features.
        reduction_dropout: dropout behind the 1x1 reductions.
        head_dropout: dropout in the decoder's heads.
        gate_ratio: squeeze ratio of the SSE block.
        context_bins: pyramid pooling bins of SAAM.
        decoder_bins: decoder scales; the first is the feature side.
        mask_resize: `bilinear`, `area` or `binary`, see `MaskResize`.
        mask_side: side of the input masks, pixels.
        use_saam: attend with SAAM.
        use_sdpm: reweight by SDPM's gate.
        use_prior: give the decoder the prior map.
        reference: compute as the authors' code does where it parts from the paper
            (docs/adr/0009), for weights that were trained with it.
    """

    def __init__(
        self,
        *,
        backbone: Backbone,
        input_side: int,
        channels: int,
        reduction_dropout: float,
        head_dropout: float,
        gate_ratio: int,
        context_bins: tuple[int, ...],
        decoder_bins: tuple[int, ...],
        mask_resize: str,
        mask_side: int,
        use_saam: bool,
        use_sdpm: bool,
        use_prior: bool,
        reference: bool = False,
    ) -> None:
        super().__init__()
        side = backbone.feature_side(input_side)
        if side < 1:
            raise ValueError(f"an input of {input_side} px has no cell")
        if decoder_bins[0] != side:
            raise ValueError(f"the first decoder bin must be the feature side {side}")
        self.input_side = input_side
        self.feature_side = side
        self.reference = reference
        self.backbone = backbone
        self.resize_mask = MaskResize(side=side, mode=mask_resize, source_side=mask_side)
        self.reduce_support = _reduction(backbone.mid_channels, channels, reduction_dropout)
        self.reduce_query = _reduction(backbone.mid_channels, channels, reduction_dropout)
        self.sse = SSEBlock(channels=channels, ratio=gate_ratio) if use_sdpm else None
        self.saam = (
            SAAM(channels=channels, side=side, bins=context_bins, bounded=not reference)
            if use_saam
            else None
        )
        self.use_prior = use_prior
        self.presence = PresenceHead(depth=backbone.high_channels) if use_prior else None
        self.decoder = PyramidDecoder(
            channels=channels,
            maps=use_prior + use_saam,
            side=side,
            bins=decoder_bins,
            dropout=head_dropout,
            sampled=reference,
        )

    def train_mode(self) -> Self:
        """Train the head; batch norms of the backbone keep their ImageNet statistics."""
        self.train()
        self.backbone.eval()
        return self

    def encode(self, image: Tensor, mask: Tensor) -> EncodedImages:
        """Encode normalised images (B, 3, S, S) under object shares (B, S, S), ones for queries."""
        return self.encode_features(self.backbone.features(image), mask)

    def encode_features(self, features: BackboneFeatures, mask: Tensor) -> EncodedImages:
        """The same as `encode`, from the backbone's features."""
        mid = features.mid
        if self.use_prior:
            # The prior is training-free: nothing is learned through it (PFENet).
            high = self.backbone.high(features.stage3 * self.resize_mask(mask)).detach()
        else:
            high = mid[:, :0]
        return EncodedImages(self.reduce_support(mid), self.reduce_query(mid), high)

    def support_vectors(self, support_feature: Tensor, share: Tensor) -> SupportVectors:
        """Prototypes before and after SDPM, of features under object shares (B, 1, h, w)."""
        eps = _REFERENCE_EPS if self.reference else 0.0
        affinity = masked_average(support_feature, share, eps=eps)
        if self.sse is None:
            return SupportVectors(affinity, affinity, affinity[:, :0])
        gate = self.sse(affinity)
        return SupportVectors(affinity, reweight_prototype(affinity, gate), gate)

    def prototype(self, support_feature: Tensor, high_feature: Tensor, mask: Tensor) -> Prototypes:
        """Prototypes of B supports; mask (B, S, S) is the object's share of each pixel."""
        share = self.resize_mask(mask)  # (B, 1, h, w)
        vectors = self.support_vectors(support_feature, share)
        if not self.use_prior:
            no_tokens = high_feature.flatten(2).transpose(1, 2)[:, :0]
            return Prototypes(*vectors, no_tokens, share.flatten(1)[:, :0] > 0)
        min_share = 0.0 if self.reference else 0.5
        tokens = foreground_tokens(high_feature, share, min_share=min_share)
        return Prototypes(*vectors, *tokens)

    def fuse_gates(self, gates: Tensor) -> Tensor:
        """Gates of K shots (B, K, C) → the gate (B, C) that `match` takes."""
        return product_gate(gates) if self.reference else gates.mean(dim=1)

    def match(
        self,
        query: EncodedImages,
        image_index: Tensor,
        affinity: Tensor,
        guided: Tensor,
        gate: Tensor,
        tokens: Tensor,
        token_valid: Tensor,
    ) -> MatchOutput:
        """Segment P classes in B encoded images; arguments as in `contract.graphs.HEAD`."""
        attention = prior = high = None
        if self.saam is not None:
            embedded = self.saam.embed(query.query_feature).index_select(0, image_index)
            attention = self.saam.attention(embedded, affinity)
        if self.use_prior:
            high = HighCells.of(query.high_feature, image_index)
            prior = prior_map(high, tokens, token_valid)
        own = query.query_feature.index_select(0, image_index)
        maps = [part for part in (prior, attention) if part is not None]
        decoded = self.decoder(
            DecoderInput(
                guided,
                query.query_feature,
                image_index,
                None if self.sse is None else gate_factor(gate),
                torch.cat(maps, dim=1) if maps else own[:, :0],
            )
        )
        logits = upsample(decoded.logits, self.input_side) if self.reference else decoded.logits
        return MatchOutput(logits, decoded.auxiliary, attention, prior, decoded.feature, own, high)

    def refit_logits(self, matched: MatchOutput, refit: Tensor) -> Tensor:
        """Foreground minus background logits, corrected by refits (P, 2C + 2).

        A refit is a factor for the network's own logit, a bias, and a weight for each channel of
        `MatchOutput.cells`; (1, 0, …, 0) leaves the logits as they are.
        """
        own = matched.logits[:, 1] - matched.logits[:, 0]
        channels = matched.decoded.shape[1]
        of_decoded = refit[:, None, 2 : 2 + channels] @ matched.decoded.flatten(2)  # (P, 1, N)
        of_query = refit[:, None, 2 + channels :] @ matched.query_feature.flatten(2)
        linear = (of_decoded + of_query).reshape(-1, 1, *matched.decoded.shape[2:])
        fitted = upsample(linear, own.shape[-1])[:, 0]
        return own * refit[:, 0, None, None] + refit[:, 1, None, None] + fitted

    def forward(self, query: Tensor, supports: Tensor, masks: Tensor) -> Tensor:
        """Segment queries from pixels, encoding their supports in the same pass.

        Args:
            query: normalised (B, 3, S, S).
            supports: normalised (B, K, 3, S, S).
            masks: object shares (B, K, S, S).

        Returns:
            Background and foreground logits (B, 2, h, w), or (B, 2, S, S) in the reference
            arithmetic.
        """
        support = self.encode(supports.flatten(0, 1), masks.flatten(0, 1))
        encoded = self.encode(query, torch.ones_like(masks[:, 0]))
        shots = self.prototype(support.support_feature, support.high_feature, masks.flatten(0, 1))
        return self._match_shots(encoded, shots, masks.shape[1]).logits

    def forward_training(
        self, queries: BackboneFeatures, supports: BackboneFeatures, masks: Tensor
    ) -> SDAANetOutput:
        """Everything the losses need, from the backbone's features.

        Args:
            queries: of B queries.
            supports: of B * K supports.
            masks: object shares (B, K, S, S) of the supports.
        """
        flat_masks = masks.flatten(0, 1)
        support = self.encode_features(supports, flat_masks)
        query = self.encode_features(queries, torch.ones_like(masks[:, 0]))
        shots = self.prototype(support.support_feature, support.high_feature, flat_masks)
        count = masks.shape[1]
        matched = self._match_shots(query, shots, count)
        support_logits = None
        if self.saam is not None:
            embedded = self.saam.embed(support.support_feature)
            support_logits = self.saam.support_logits(embedded, shots.affinity)
        return SDAANetOutput(
            matched.logits,
            matched.auxiliary,
            support_logits=support_logits,
            guided_shots=None if self.sse is None else _by_class(shots.guided, count),
            gate=_by_class(shots.gate, count).mean(dim=1),
            query_feature=query.query_feature,
        )

    def _match_shots(
        self, query: EncodedImages, shots: Prototypes, shots_per_class: int
    ) -> MatchOutput:
        """One class of K shots for each of B queries, vectors averaged over the shots."""
        by_class = Prototypes(*(_by_class(flat, shots_per_class) for flat in shots))
        return self.match(
            query,
            torch.arange(len(query.query_feature), device=shots.gate.device),
            affinity=by_class.affinity.mean(dim=1),
            guided=by_class.guided.mean(dim=1),
            gate=self.fuse_gates(by_class.gate),
            tokens=by_class.tokens,
            token_valid=by_class.foreground,
        )


def _by_class(flat: Tensor, shots: int) -> Tensor:
    """(B * K, ...) → (B, K, ...)."""
    by_class: Tensor = flat.unflatten(0, (-1, shots))  # type: ignore[no-untyped-call]
    return by_class


def _reduction(inputs: int, outputs: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.ReLU(), nn.Dropout2d(dropout))
