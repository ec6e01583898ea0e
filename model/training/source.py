"""Training batches as tensors: cached features, or the same views from pixels."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from model.build.presets import IMAGENET_MEAN, IMAGENET_STD
from model.data.cache import CacheConfig, make_view
from model.data.datasets import LabelledImages
from model.data.mixture import SourceImage
from model.data.sampler import EpisodeSampler
from model.nets import SDAANet
from model.nets.preprocess import Normalise


class TrainingBatch(NamedTuple):
    """Outputs of `backbone.shallow` and labels; shapes as in `data.sampler.CachedBatch`."""

    query: Tensor
    support: Tensor
    query_labels: Tensor
    support_labels: Tensor


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

    def cached(self, number: int, size: int) -> TrainingBatch:
        """From the feature cache."""
        return TrainingBatch(*(torch.from_numpy(a) for a in self._sampler.batch(number, size)))

    def from_pixels(self, number: int, size: int, network: SDAANet) -> TrainingBatch:
        """The same views through the network's own shallow part, with gradients."""
        batch = self._sampler.batch_views(number, size)
        pixels = np.stack(
            [
                make_view(self._sets, self._images[row], view, self._views).image[:, ::flip]
                for row, view, flip in batch.images
            ]
        )
        shallow = network.backbone.shallow(self._normalise(torch.from_numpy(pixels)))
        return TrainingBatch(
            shallow[:size],
            shallow[size:],
            torch.from_numpy(batch.query_labels),
            torch.from_numpy(batch.support_labels),
        )
