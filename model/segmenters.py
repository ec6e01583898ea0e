"""Segmenters for the episode loop: a bundle as it is served, and the eager network.

Whatever depends on nothing but an image, or on an image and its mask, is computed once as long as
it fits in memory. A list of 1,000 five-shot episodes draws some 400 images 6,000 times.
"""

import hashlib
from collections.abc import Hashable, Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from model.build.presets import IMAGENET_MEAN, IMAGENET_STD
from model.contract import SupportPrototype, collate_classes, resize_image, resize_mask
from model.nets import EncodedImages, MatchOutput, Prototypes, SDAANet
from model.nets.backbones import BackboneFeatures
from model.nets.preprocess import Normalise
from model.recent import KEPT_BYTES, Recent
from model.runtime import BundleRuntime, Encoded


def _with_mask(key: Hashable, mask: NDArray[np.bool_]) -> Hashable:
    """Key of an image together with its mask."""
    return key, hashlib.blake2b(np.packbits(mask).tobytes()).digest()


class BundleSegmenter:
    """A bundle through the very runtime that serves it.

    The encoder masks the high-level feature inside its graph, so a support cannot reuse what was
    computed for the same image as a query; it is kept by image and mask instead.

    Args:
        runtime: the loaded bundle.
        limit_bytes: kept for queries, and as much again for supports.
    """

    def __init__(self, runtime: BundleRuntime, *, limit_bytes: int = KEPT_BYTES) -> None:
        self._runtime = runtime
        self._side = runtime.manifest.input_side
        self._queries: Recent[Encoded] = Recent(
            lambda encoded: sum(array.nbytes for array in encoded), limit_bytes
        )
        self._supports: Recent[SupportPrototype] = Recent(lambda shot: shot.nbytes, limit_bytes)

    def add_support(
        self, key: Hashable, image: NDArray[np.uint8], mask: NDArray[np.bool_]
    ) -> SupportPrototype:
        """See `Segmenter`."""
        return self._supports.get(_with_mask(key, mask), lambda: self._prototype(image, mask))

    def _prototype(self, image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> SupportPrototype:
        masks = resize_mask(mask, self._side)[None]
        encoded = self._runtime.encode(resize_image(image, self._side)[None], masks)
        return self._runtime.prototypes(encoded, masks)[0]

    def logits(
        self, key: Hashable, image: NDArray[np.uint8], supports: Sequence[object]
    ) -> NDArray[np.float32]:
        """See `Segmenter`."""
        encoded = self._queries.get(
            key, lambda: self._runtime.encode(resize_image(image, self._side)[None])
        )
        classes = collate_classes(
            [cast(Sequence[SupportPrototype], supports)], gates=self._runtime.manifest.gates
        )
        logits: NDArray[np.float32] = self._runtime.head(encoded, np.zeros(1, np.int64), classes)[0]
        return logits


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
        self._supports: Recent[Prototypes] = Recent(_tensor_bytes, limit_bytes)

    def _encode(self, key: Hashable, image: NDArray[np.uint8], mask: Tensor) -> EncodedImages:
        features = self._features.get(key, lambda: self._backbone_features(image))
        return self._network.encode_features(features, mask)

    def _backbone_features(self, image: NDArray[np.uint8]) -> BackboneFeatures:
        pixels = torch.from_numpy(resize_image(image, self._network.input_side)[None])
        return self._network.backbone.features(self._normalise(pixels.to(self._device)))

    @torch.inference_mode()
    def add_support(
        self, key: Hashable, image: NDArray[np.uint8], mask: NDArray[np.bool_]
    ) -> Prototypes:
        """See `Segmenter`."""
        return self._supports.get(_with_mask(key, mask), lambda: self._prototype(key, image, mask))

    def _prototype(
        self, key: Hashable, image: NDArray[np.uint8], mask: NDArray[np.bool_]
    ) -> Prototypes:
        """As the bundle keeps it: the foreground's tokens alone, here in full precision."""
        share = torch.from_numpy(resize_mask(mask, self._network.input_side)[None])
        share = share.to(self._device)
        encoded = self._encode(key, image, share)
        shot = self._network.prototype(encoded.support_feature, encoded.high_feature, share)
        tokens = shot.tokens[shot.foreground]  # (T, D)
        return shot._replace(tokens=tokens[None], foreground=shot.foreground[shot.foreground][None])

    def logits(
        self, key: Hashable, image: NDArray[np.uint8], supports: Sequence[object]
    ) -> NDArray[np.float32]:
        """See `Segmenter`."""
        background, foreground = self.match(key, image, supports).logits[0]
        logits: NDArray[np.float32] = (foreground - background).cpu().numpy()
        return logits

    @torch.inference_mode()
    def match(
        self, key: Hashable, image: NDArray[np.uint8], supports: Sequence[object]
    ) -> MatchOutput:
        """What `logits` answers, with attention and prior, for one pair."""
        side = self._network.input_side
        encoded = self._encode(key, image, torch.ones(1, side, side, device=self._device))
        shots = cast(Sequence[Prototypes], supports)
        return self._network.match(
            encoded,
            torch.zeros(1, dtype=torch.int64, device=self._device),
            affinity=torch.stack([shot.affinity for shot in shots]).mean(dim=0),
            guided=torch.stack([shot.guided for shot in shots]).mean(dim=0),
            gate=self._network.fuse_gates(torch.stack([shot.gate for shot in shots], dim=1)),
            tokens=pad_sequence([shot.tokens[0] for shot in shots], batch_first=True)[None],
            token_valid=pad_sequence([shot.foreground[0] for shot in shots], batch_first=True)[
                None
            ],
        )


def _tensor_bytes(tensors: BackboneFeatures | Prototypes) -> int:
    return sum(tensor.nbytes for tensor in tensors)
