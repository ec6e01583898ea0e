"""The eager network under the episode loop."""

from collections.abc import Hashable, Sequence
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from model.build.presets import imagenet_normalise
from model.contract import independent_shots, resize_image, resize_mask
from model.evaluation.prediction import Prediction
from model.lru_cache import KEPT_BYTES, LRUCache
from model.nets import EncodedImages, MatchOutput, Prototypes, SDAANet
from model.nets.backbones import BackboneFeatures
from model.segmenters.supports import recognition_views, support_key


class EagerSupport(NamedTuple):
    """A support's prototypes, and its mean token (1, D) over several views."""

    prototypes: Prototypes
    identity: Tensor


class EagerSegmenter:
    """The PyTorch network, in eval mode, split into encoding and head as it is served.

    Queries and supports share the backbone's features of an image.

    Args:
        network: on the device it runs on.
        near_views: see `BundleSegmenter`.
        limit_bytes: of the cached features, and again of the cached supports.
    """

    def __init__(
        self, network: SDAANet, *, near_views: bool = True, limit_bytes: int = KEPT_BYTES
    ) -> None:
        self._network, self._near_views = network.eval(), near_views
        self._device = next(network.parameters()).device
        self._normalise = imagenet_normalise().to(self._device)
        self._features: LRUCache[BackboneFeatures] = LRUCache(_tensor_bytes, limit_bytes)
        self._supports: LRUCache[EagerSupport] = LRUCache(
            lambda support: _tensor_bytes(support.prototypes) + support.identity.nbytes, limit_bytes
        )

    def _encode(self, key: Hashable, image: NDArray[np.uint8], mask: Tensor) -> EncodedImages:
        features = self._features.get(key, lambda: self._backbone_features(image))
        return self._network.encode_features(features, mask)

    def _backbone_features(self, image: NDArray[np.uint8]) -> BackboneFeatures:
        pixels = torch.from_numpy(resize_image(image, self._network.input_side)[None])
        return self._network.backbone.features(self._normalise(pixels.to(self._device)))

    @torch.inference_mode()
    def add_support(
        self, key: Hashable, image: NDArray[np.uint8], mask: NDArray[np.bool_]
    ) -> EagerSupport:
        """See `Segmenter`."""
        return self._supports.get(
            support_key(key, mask), lambda: self._encode_support(key, image, mask)
        )

    def _encode_support(
        self, key: Hashable, image: NDArray[np.uint8], mask: NDArray[np.bool_]
    ) -> EagerSupport:
        side = self._network.input_side
        prototypes = self._prototype(key, resize_image(image, side), resize_mask(mask, side))
        views = [prototypes]
        if self._near_views:
            shown, own = recognition_views(image, mask, side), support_key(key, mask)
            known = views if shown.with_whole else []
            views = known + [
                self._prototype((own, number), *view)
                for number, view in enumerate(zip(shown.pixels, shown.shares, strict=True))
            ]
        means = torch.stack([view.tokens.mean(dim=1) for view in views])
        return EagerSupport(prototypes, means.mean(dim=0))

    def _prototype(
        self, key: Hashable, pixels: NDArray[np.uint8], mask: NDArray[np.float32]
    ) -> Prototypes:
        """Prototypes with foreground tokens alone, as a bundle has them, but in full precision."""
        share = torch.from_numpy(mask[None]).to(self._device)
        encoded = self._encode(key, pixels, share)
        shot = self._network.prototype(encoded.support_feature, encoded.high_feature, share)
        tokens = shot.tokens[shot.foreground]  # (T, D)
        return shot._replace(tokens=tokens[None], foreground=shot.foreground[shot.foreground][None])

    def segment(
        self, key: Hashable, image: NDArray[np.uint8], supports: Sequence[object]
    ) -> Prediction:
        """See `Segmenter`; the presence score of a network without the prior is 1."""
        head = self._network.presence
        logits, evidence = self._logits_and_evidence(key, image, supports)
        if head is None or evidence is None:
            return Prediction(logits[0].cpu().numpy(), 1.0)
        identities = [support.identity for support in cast(Sequence[EagerSupport], supports)]
        shots = independent_shots(torch.cat(identities).cpu().numpy())
        presence = float(head.score(evidence, shots=shots))
        return Prediction(logits[0].cpu().numpy(), presence)

    def evidence(
        self, key: Hashable, image: NDArray[np.uint8], supports: Sequence[object]
    ) -> NDArray[np.float32]:
        """The evidence (3,) behind a presence score, see `nets.presence.EVIDENCE`.

        Raises:
            ValueError: the network has no prior.
        """
        _, evidence = self._logits_and_evidence(key, image, supports)
        if evidence is None:
            raise ValueError("a network without the prior has no presence score")
        return np.asarray(evidence[0].cpu().numpy())

    @torch.inference_mode()
    def _logits_and_evidence(
        self, key: Hashable, image: NDArray[np.uint8], supports: Sequence[object]
    ) -> tuple[Tensor, Tensor | None]:
        """Foreground logits (1, h, w), and the evidence (1, 3) of a network with the prior."""
        query, head = self._encode_query(key, image), self._network.presence
        matched = self._match(query, supports)
        logits = matched.logits[:, 1] - matched.logits[:, 0]
        if head is None or matched.high is None:
            return logits, None
        identity = torch.stack(
            [support.identity for support in cast(Sequence[EagerSupport], supports)]
        )
        return logits, head.evidence(matched.high, logits, identity.mean(dim=0))

    @torch.inference_mode()
    def high_feature(self, key: Hashable, image: NDArray[np.uint8]) -> Tensor:
        """High-level feature of an image (1, D, h, w)."""
        return self._encode_query(key, image).high_feature

    @torch.inference_mode()
    def match(
        self, key: Hashable, image: NDArray[np.uint8], supports: Sequence[object]
    ) -> MatchOutput:
        """The network's full output for one query, with attention and prior."""
        return self._match(self._encode_query(key, image), supports)

    def _match(self, query: EncodedImages, supports: Sequence[object]) -> MatchOutput:
        shots = [support.prototypes for support in cast(Sequence[EagerSupport], supports)]
        tokens, token_valid = _padded_tokens(shots)
        return self._network.match(
            query,
            torch.zeros(1, dtype=torch.int64, device=self._device),
            affinity=torch.stack([shot.affinity for shot in shots]).mean(dim=0),
            guided=torch.stack([shot.guided for shot in shots]).mean(dim=0),
            gate=self._network.fuse_gates(torch.stack([shot.gate for shot in shots], dim=1)),
            tokens=tokens,
            token_valid=token_valid,
        )

    def _encode_query(self, key: Hashable, image: NDArray[np.uint8]) -> EncodedImages:
        side = self._network.input_side
        return self._encode(key, image, torch.ones(1, side, side, device=self._device))


def _padded_tokens(shots: Sequence[Prototypes]) -> tuple[Tensor, Tensor]:
    """Tokens (1, K, T, D), padded to the longest shot, and which of them are valid (1, K, T)."""
    tokens = pad_sequence([shot.tokens[0] for shot in shots], batch_first=True)
    valid = pad_sequence([shot.foreground[0] for shot in shots], batch_first=True)
    return tokens[None], valid[None]


def _tensor_bytes(tensors: BackboneFeatures | Prototypes) -> int:
    return sum(tensor.nbytes for tensor in tensors)
