"""Segmentation without any training for it: the nearest of two mean features."""

from collections.abc import Hashable, Sequence
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from model.build.presets import imagenet_normalise
from model.contract import resize_image, resize_mask
from model.evaluation.prediction import Prediction
from model.lru_cache import KEPT_BYTES, LRUCache
from model.nets.backbones import Backbone
from model.nets.pooling import MaskResize, masked_average
from model.segmenters.supports import support_key

# Logits are cosines times this, so that probabilities are not all near one half (PANet, eq. 2).
_SCALE = 20.0


class PrototypePair(NamedTuple):
    """Mean features (C,) of a support inside its mask and outside."""

    foreground: Tensor
    background: Tensor


class NearestPrototypeSegmenter:
    """Each cell of a query goes to the prototype of the supports that it is more similar to.

    Prototypes are masked averages of a frozen backbone's mid-level feature, averaged over the shots
    (PANet, arXiv 1908.06391, without its training); similarities are cosines. The two stages of the
    feature are L2-normalised first, so that neither outweighs the other. At the threshold 0.5 a
    pixel is foreground if its cosine with that prototype is the greater one.

    Args:
        backbone: with ImageNet weights, on the device it runs on.
        input_side: S, pixels.
        limit_bytes: of the cached features.
    """

    def __init__(
        self, backbone: Backbone, *, input_side: int, limit_bytes: int = KEPT_BYTES
    ) -> None:
        self._backbone, self._side = backbone.eval(), input_side
        self._device = next(backbone.parameters()).device
        self._normalise = imagenet_normalise().to(self._device)
        side = backbone.feature_side(input_side)
        self._resize = MaskResize(side=side, mode="area", source_side=input_side).to(self._device)
        self._features: LRUCache[Tensor] = LRUCache(lambda feature: feature.nbytes, limit_bytes)
        self._supports: LRUCache[PrototypePair] = LRUCache(
            lambda pair: pair.foreground.nbytes + pair.background.nbytes, limit_bytes
        )

    def _feature(self, key: Hashable, image: NDArray[np.uint8]) -> Tensor:
        """The mid-level feature (1, C, h, w) of an image, both of its stages of length 1."""
        return self._features.get(key, lambda: self._encode(image))

    def _encode(self, image: NDArray[np.uint8]) -> Tensor:
        pixels = torch.from_numpy(resize_image(image, self._side)[None]).to(self._device)
        features = self._backbone.features(self._normalise(pixels))
        return torch.cat([F.normalize(stage, dim=1) for stage in features], dim=1)

    @torch.inference_mode()
    def add_support(
        self, key: Hashable, image: NDArray[np.uint8], mask: NDArray[np.bool_]
    ) -> PrototypePair:
        """See `Segmenter`."""
        return self._supports.get(support_key(key, mask), lambda: self._pair(key, image, mask))

    def _pair(
        self, key: Hashable, image: NDArray[np.uint8], mask: NDArray[np.bool_]
    ) -> PrototypePair:
        feature = self._feature(key, image)
        share = self._resize(
            torch.from_numpy(resize_mask(mask, self._side)[None]).to(self._device)
        )  # (1, 1, h, w)
        return PrototypePair(
            masked_average(feature, share)[0], masked_average(feature, 1 - share)[0]
        )

    @torch.inference_mode()
    def segment(
        self, key: Hashable, image: NDArray[np.uint8], supports: Sequence[object]
    ) -> Prediction:
        """See `Segmenter`; a class always counts as present, with a score of 1."""
        pairs = cast(Sequence[PrototypePair], supports)
        prototypes = torch.stack(
            [torch.stack(shots).mean(dim=0) for shots in zip(*pairs, strict=True)]
        )  # (2, C)
        feature = F.normalize(self._feature(key, image)[0], dim=0)  # (C, h, w)
        foreground, background = torch.einsum(
            "pc,chw->phw", F.normalize(prototypes, dim=1), feature
        )
        return Prediction((_SCALE * (foreground - background)).cpu().numpy(), 1.0)
