"""Segmenters for the episode loop: a bundle as it is served, and the eager network."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.build.presets import IMAGENET_MEAN, IMAGENET_STD
from model.contract import SupportPrototype, collate_classes, resize_image, resize_mask
from model.nets import EncodedImages, MatchOutput, Prototypes, SDAANet
from model.nets.backbones import BackboneFeatures
from model.nets.preprocess import Normalise
from model.runtime import BundleRuntime, Encoded

T = TypeVar("T")

_KEPT_BYTES = 1 << 30


class _Recent(Generic[T]):
    """The latest computed tuples of arrays by key, up to a total size."""

    def __init__(self, size: Callable[[T], int], limit_bytes: int = _KEPT_BYTES) -> None:
        self._size, self._left = size, limit_bytes
        self._values: OrderedDict[Hashable, T] = OrderedDict()

    def get(self, key: Hashable, compute: Callable[[], T]) -> T:
        if key in self._values:
            self._values.move_to_end(key)
            return self._values[key]
        value = self._values[key] = compute()
        self._left -= self._size(value)
        while self._left < 0 and len(self._values) > 1:
            self._left += self._size(self._values.popitem(last=False)[1])
        return value


class BundleSegmenter:
    """A bundle through the very runtime that serves it; queries are encoded once an image."""

    def __init__(self, runtime: BundleRuntime) -> None:
        self._runtime = runtime
        self._side = runtime.manifest.input_side
        self._queries: _Recent[Encoded] = _Recent(lambda e: sum(a.nbytes for a in e))

    def add_support(
        self, key: Hashable, image: NDArray[np.uint8], mask: NDArray[np.bool_]
    ) -> SupportPrototype:
        """See `Segmenter`."""
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
        classes = collate_classes([cast(Sequence[SupportPrototype], supports)])
        logits: NDArray[np.float32] = self._runtime.head(encoded, np.zeros(1, np.int64), classes)[0]
        return logits


class EagerSegmenter:
    """The PyTorch network, in eval mode, through the same serving cut."""

    def __init__(self, network: SDAANet) -> None:
        self._network = network.eval()
        self._normalise = Normalise(mean=IMAGENET_MEAN, std=IMAGENET_STD)
        self._features: _Recent[BackboneFeatures] = _Recent(lambda f: sum(t.nbytes for t in f))

    def _encode(self, key: Hashable, image: NDArray[np.uint8], mask: Tensor) -> EncodedImages:
        side = self._network.input_side
        features = self._features.get(
            key,
            lambda: self._network.backbone.features(
                self._normalise(torch.from_numpy(resize_image(image, side)[None]))
            ),
        )
        return self._network.encode_features(features, mask)

    @torch.inference_mode()
    def add_support(
        self, key: Hashable, image: NDArray[np.uint8], mask: NDArray[np.bool_]
    ) -> Prototypes:
        """See `Segmenter`."""
        share = torch.from_numpy(resize_mask(mask, self._network.input_side)[None])
        encoded = self._encode(key, image, share)
        return self._network.prototype(encoded.support_feature, encoded.high_feature, share)

    def logits(
        self, key: Hashable, image: NDArray[np.uint8], supports: Sequence[object]
    ) -> NDArray[np.float32]:
        """See `Segmenter`."""
        background, foreground = self.match(key, image, supports).logits[0]
        logits: NDArray[np.float32] = (foreground - background).numpy()
        return logits

    @torch.inference_mode()
    def match(
        self, key: Hashable, image: NDArray[np.uint8], supports: Sequence[object]
    ) -> MatchOutput:
        """What `logits` answers, with attention and prior, for one pair."""
        side = self._network.input_side
        encoded = self._encode(key, image, torch.ones(1, side, side))
        shots = cast(Sequence[Prototypes], supports)
        return self._network.match(
            encoded,
            torch.zeros(1, dtype=torch.int64),
            affinity=torch.stack([shot.affinity for shot in shots]).mean(dim=0),
            guided=torch.stack([shot.guided for shot in shots]).mean(dim=0),
            gate=torch.stack([shot.gate for shot in shots]).mean(dim=0),
            tokens=torch.stack([shot.tokens[0] for shot in shots])[None],
            token_valid=torch.stack([shot.foreground[0] for shot in shots])[None],
        )
