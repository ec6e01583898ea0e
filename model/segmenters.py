"""Segmenters for the episode loop: a bundle as it is served, and the eager network.

Whatever depends on nothing but an image, or on an image and its mask, is computed once as long as
it fits in memory. A list of 1,000 five-shot episodes draws some 400 images 6,000 times.
"""

import hashlib
from collections.abc import Hashable, Sequence
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from model.build.presets import IMAGENET_MEAN, IMAGENET_STD
from model.contract import SupportPrototype, SupportSet, resize_image, resize_mask
from model.evaluation.prediction import Prediction
from model.nets import EncodedImages, MatchOutput, Prototypes, SDAANet
from model.nets.backbones import BackboneFeatures
from model.nets.preprocess import Normalise
from model.recent import KEPT_BYTES, Recent
from model.runtime import (
    Adapt,
    BundleRuntime,
    Encoded,
    choose_refit,
    find_close_up,
    see_supports,
)


def _with_mask(key: Hashable, mask: NDArray[np.bool_]) -> Hashable:
    """Key of an image together with its mask."""
    return key, hashlib.blake2b(np.packbits(mask).tobytes()).digest()


def _from_near(
    image: NDArray[np.uint8], mask: NDArray[np.bool_]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]] | None:
    """The part of a support that shows its object from near; None if the whole image does."""
    window = find_close_up(mask)
    if window is None:
        return None
    return np.ascontiguousarray(image[window.slices]), mask[window.slices]


class Shown(NamedTuple):
    """A support as the bundle keeps it, and its input, which adaptation needs again.

    near: the prototype of its close-up, or once more `prototype` where there is none.
    """

    prototype: SupportPrototype
    near: SupportPrototype
    image: NDArray[np.uint8]  # (S, S, 3)
    mask: NDArray[np.float32]  # (S, S)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return self.prototype.nbytes + self.near.nbytes + self.image.nbytes + self.mask.nbytes


class Seen(NamedTuple):
    """A support as the network keeps it, and its mean token (1, D) as seen from near."""

    prototypes: Prototypes
    identity: Tensor


class BundleSegmenter:
    """A bundle through the very runtime that serves it.

    The encoder masks the high-level feature inside its graph, so a support cannot reuse what was
    computed for the same image as a query; it is kept by image and mask instead.

    Args:
        runtime: the loaded bundle.
        adapt: whether the head is refitted to the supports of each episode.
        threshold: probability at which a fit will be cut; the bundle's own unless given.
        limit_bytes: kept for queries, and as much again for supports.
    """

    def __init__(
        self,
        runtime: BundleRuntime,
        *,
        adapt: Adapt = False,
        threshold: float | None = None,
        limit_bytes: int = KEPT_BYTES,
    ) -> None:
        self._runtime, self._adapt = runtime, adapt
        self._threshold = runtime.manifest.threshold if threshold is None else threshold
        self._side = runtime.manifest.input_side
        self._queries: Recent[Encoded] = Recent(lambda encoded: encoded.nbytes, limit_bytes)
        self._supports: Recent[Shown] = Recent(lambda shown: shown.nbytes, limit_bytes)

    def add_support(
        self, key: Hashable, image: NDArray[np.uint8], mask: NDArray[np.bool_]
    ) -> Shown:
        """See `Segmenter`."""
        return self._supports.get(_with_mask(key, mask), lambda: self._show(image, mask))

    def _show(self, image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> Shown:
        whole, pixels, share = self._prototype(image, mask)
        part = _from_near(image, mask)
        near = whole if part is None else self._prototype(*part)[0]
        return Shown(whole, near, pixels, share)

    def _prototype(
        self, image: NDArray[np.uint8], mask: NDArray[np.bool_]
    ) -> tuple[SupportPrototype, NDArray[np.uint8], NDArray[np.float32]]:
        """The prototype of a support and the input it was made from, (S, S, 3) and (S, S)."""
        pixels, share = resize_image(image, self._side), resize_mask(mask, self._side)
        encoded = self._runtime.encode(pixels[None], share[None])
        return self._runtime.prototypes(encoded, share[None])[0], pixels, share

    def segment(
        self, key: Hashable, image: NDArray[np.uint8], supports: Sequence[object]
    ) -> Prediction:
        """See `Segmenter`."""
        encoded = self._queries.get(
            key, lambda: self._runtime.encode(resize_image(image, self._side)[None])
        )
        asked = self._support_set(cast(Sequence[Shown], supports))
        answer = self._runtime.head(encoded, np.zeros(1, np.int64), [asked])
        return Prediction(answer.logits[0], float(answer.presence[0]))

    def _support_set(self, supports: Sequence[Shown]) -> SupportSet:
        shots = tuple(shown.prototype for shown in supports)
        close = SupportSet(tuple(shown.near for shown in supports))
        if not self._adapt:
            return SupportSet(shots, close=close)
        images = np.stack([shown.image for shown in supports])
        masks = np.stack([shown.mask for shown in supports])
        seen = see_supports(self._runtime, images, masks, shots)
        refit = choose_refit(seen, self._adapt, threshold=self._threshold)
        return SupportSet(shots, refit, close=close)


class EagerSegmenter:
    """The PyTorch network, in eval mode, through the same serving cut.

    Queries and supports share the backbone's features of an image.

    Args:
        network: on the device it shall run on.
        limit_bytes: kept for features, and as much again for supports.
    """

    def __init__(self, network: SDAANet, *, limit_bytes: int = KEPT_BYTES) -> None:
        self._network = network.eval()
        self._device = next(network.parameters()).device
        self._normalise = Normalise(mean=IMAGENET_MEAN, std=IMAGENET_STD).to(self._device)
        self._features: Recent[BackboneFeatures] = Recent(_tensor_bytes, limit_bytes)
        self._supports: Recent[Seen] = Recent(
            lambda seen: _tensor_bytes(seen.prototypes) + seen.identity.nbytes, limit_bytes
        )

    def _encode(self, key: Hashable, image: NDArray[np.uint8], mask: Tensor) -> EncodedImages:
        features = self._features.get(key, lambda: self._backbone_features(image))
        return self._network.encode_features(features, mask)

    def _backbone_features(self, image: NDArray[np.uint8]) -> BackboneFeatures:
        pixels = torch.from_numpy(resize_image(image, self._network.input_side)[None])
        return self._network.backbone.features(self._normalise(pixels.to(self._device)))

    @torch.inference_mode()
    def add_support(self, key: Hashable, image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> Seen:
        """See `Segmenter`."""
        return self._supports.get(_with_mask(key, mask), lambda: self._see(key, image, mask))

    def _see(self, key: Hashable, image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> Seen:
        whole = near = self._prototype(key, image, mask)
        part = _from_near(image, mask)
        if part is not None:
            near = self._prototype((_with_mask(key, mask), "near"), *part)
        return Seen(whole, near.tokens.mean(dim=1))

    def _prototype(
        self, key: Hashable, image: NDArray[np.uint8], mask: NDArray[np.bool_]
    ) -> Prototypes:
        """What the bundle keeps of a support, foreground tokens alone, but in full precision."""
        share = torch.from_numpy(resize_mask(mask, self._network.input_side)[None])
        share = share.to(self._device)
        encoded = self._encode(key, image, share)
        shot = self._network.prototype(encoded.support_feature, encoded.high_feature, share)
        tokens = shot.tokens[shot.foreground]  # (T, D)
        return shot._replace(tokens=tokens[None], foreground=shot.foreground[shot.foreground][None])

    def segment(
        self, key: Hashable, image: NDArray[np.uint8], supports: Sequence[object]
    ) -> Prediction:
        """See `Segmenter`; a network without the prior cannot doubt that the class is there."""
        head = self._network.presence
        logits, evidence = self._judge(key, image, supports)
        if head is None or evidence is None:
            return Prediction(logits[0].cpu().numpy(), 1.0)
        presence = float(head.score(evidence, shots=len(supports)))
        return Prediction(logits[0].cpu().numpy(), presence)

    def evidence(
        self, key: Hashable, image: NDArray[np.uint8], supports: Sequence[object]
    ) -> NDArray[np.float32]:
        """What the presence score of an answer is made of, see `nets.presence.EVIDENCE`.

        Raises:
            ValueError: the network has no prior.
        """
        _, evidence = self._judge(key, image, supports)
        if evidence is None:
            raise ValueError("a network without the prior has no presence score")
        return np.asarray(evidence[0].cpu().numpy())

    @torch.inference_mode()
    def _judge(
        self, key: Hashable, image: NDArray[np.uint8], supports: Sequence[object]
    ) -> tuple[Tensor, Tensor | None]:
        """Foreground logits (1, h, w), and the evidence (1, 3) of a network with the prior."""
        query, head = self._encode_query(key, image), self._network.presence
        matched = self._match(query, supports)
        logits = matched.logits[:, 1] - matched.logits[:, 0]
        if head is None:
            return logits, None
        identity = torch.stack([seen.identity for seen in cast(Sequence[Seen], supports)])
        return logits, head.evidence(query.high_feature, logits, identity.mean(dim=0))

    @torch.inference_mode()
    def high_feature(self, key: Hashable, image: NDArray[np.uint8]) -> Tensor:
        """High-level feature of an image (1, D, h, w)."""
        return self._encode_query(key, image).high_feature

    @torch.inference_mode()
    def match(
        self, key: Hashable, image: NDArray[np.uint8], supports: Sequence[object]
    ) -> MatchOutput:
        """The network's whole answer, with attention and prior, for one pair."""
        return self._match(self._encode_query(key, image), supports)

    def _match(self, query: EncodedImages, supports: Sequence[object]) -> MatchOutput:
        shots = [seen.prototypes for seen in cast(Sequence[Seen], supports)]
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
    """Tokens (1, K, T, D) of one class, padded to its longest shot, and which are real."""
    tokens = pad_sequence([shot.tokens[0] for shot in shots], batch_first=True)
    real = pad_sequence([shot.foreground[0] for shot in shots], batch_first=True)
    return tokens[None], real[None]


def _tensor_bytes(tensors: BackboneFeatures | Prototypes) -> int:
    return sum(tensor.nbytes for tensor in tensors)
