"""Training batches as tensors: cached features, or the same views through the backbone."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from model.build.presets import IMAGENET_MEAN, IMAGENET_STD
from model.data.cache import CacheConfig, make_view
from model.data.datasets import LabelledImages
from model.data.mixture import SourceImage
from model.data.sampler import EpisodeSampler, ViewBatch
from model.nets.backbones import Backbone, BackboneFeatures
from model.nets.preprocess import Normalise

Trained = Literal["none", "deep", "all"]


class TrainingBatch(NamedTuple):
    """Backbone features of B queries and B * K supports, and their labels.

    query_labels: (B, L, L), support_labels: (B, K, L, L); 1 class, 0 other, 255 ignore.
    """

    queries: BackboneFeatures
    supports: BackboneFeatures
    query_labels: Tensor
    support_labels: Tensor


class LoadedBatch(NamedTuple):
    """What batch i needs from memory or disk, before the network sees it.

    inputs: the shallow and stage-3 features, or the one array of pixels.
    """

    views: ViewBatch
    trained: Trained
    inputs: tuple[Tensor, ...]


class BatchSource:
    """Makes batch i for the stage at hand.

    Args:
        sampler: which episodes.
        sets: where the images come from.
        images: the cache's rows.
        views: how views are made.
    """

    def __init__(
        self,
        sampler: EpisodeSampler,
        sets: Sequence[LabelledImages],
        images: Sequence[SourceImage],
        views: CacheConfig,
    ) -> None:
        self._sampler, self._sets, self._images, self._views = sampler, sets, images, views
        self._normalise = Normalise(mean=IMAGENET_MEAN, std=IMAGENET_STD)

    def load(self, number: int, size: int, trained: Trained) -> LoadedBatch:
        """Read batch `number` of `size` episodes."""
        views = self._sampler.batch(number, size)
        if trained == "all":
            return LoadedBatch(views, trained, (self._pixels(views),))
        features = self._sampler.features(views)
        return LoadedBatch(views, trained, tuple(torch.from_numpy(part) for part in features))

    def encode(self, loaded: LoadedBatch, backbone: Backbone) -> TrainingBatch:
        """The batch for the network; features carry gradients of the trained part."""
        views, size = loaded.views, len(loaded.views.query_labels)
        if loaded.trained == "all":
            features = backbone.features(self._normalise(loaded.inputs[0]))
        else:
            shallow, stage3 = loaded.inputs
            if loaded.trained == "deep":
                stage3 = backbone.deep(shallow)
            features = BackboneFeatures(shallow, stage3)
        return TrainingBatch(
            BackboneFeatures(*(feature[:size] for feature in features)),
            BackboneFeatures(*(feature[size:] for feature in features)),
            torch.from_numpy(views.query_labels),
            torch.from_numpy(views.support_labels),
        )

    def _pixels(self, views: ViewBatch) -> Tensor:
        return torch.from_numpy(
            np.stack(
                [
                    make_view(self._sets, self._images[row], view, self._views).image[:, ::flip]
                    for row, view, flip in views.images
                ]
            )
        )
