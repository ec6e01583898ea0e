"""Training batches as tensors: from cached features, or from pixels through the backbone."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.build.presets import imagenet_normalise
from model.data.cache import CacheConfig, FeatureCache, make_view
from model.data.datasets import LabelledImages
from model.data.episodes import binary_labels
from model.data.images import TrainingImages
from model.data.mixture import SourceImage
from model.data.sampler import DrawnImage, EpisodeBatch
from model.nets.backbones import Backbone, BackboneFeatures
from model.training.augmentation import Augmentation, augment, draw_params

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
    """The inputs of a batch, as read from memory or disk.

    episodes: B.
    inputs: the source's own tensors, each for M = B * (1 + K) images.
    labels: (M, L, L); 1 class, 0 other, 255 ignore.
    """

    episodes: int
    inputs: tuple[Tensor, ...]
    labels: Tensor

    def pinned(self) -> Self:
        """The batch in pinned memory, which is copied to a GPU asynchronously."""
        inputs = tuple(part.pin_memory() for part in self.inputs)
        return self._replace(inputs=inputs, labels=self.labels.pin_memory())

    def to(self, device: torch.device) -> Self:
        """The batch on a device; copies from pinned memory are asynchronous."""
        inputs = tuple(part.to(device, non_blocking=True) for part in self.inputs)
        return self._replace(inputs=inputs, labels=self.labels.to(device, non_blocking=True))


class BatchSource(Protocol):
    """Makes batches; `trained` is the part of the backbone that the current stage trains."""

    def load(self, drawn: EpisodeBatch, trained: Trained) -> LoadedBatch:
        """Read the inputs of a batch; a pure function, called from several threads."""
        ...

    def encode(self, loaded: LoadedBatch, backbone: Backbone, trained: Trained) -> TrainingBatch:
        """The batch for the network; features carry gradients of the trained part."""
        ...


class CachedSource:
    """Batches of cached features, or of the same views' pixels if the whole backbone trains.

    Args:
        cache: features and labels.
        sets: where the images come from.
        images: the cache's rows.
        views: how views are made.
    """

    def __init__(
        self,
        cache: FeatureCache,
        sets: Sequence[LabelledImages],
        images: Sequence[SourceImage],
        views: CacheConfig,
    ) -> None:
        self._cache, self._sets, self._images, self._views = cache, sets, images, views
        self._normalise = imagenet_normalise()

    def load(self, drawn: EpisodeBatch, trained: Trained) -> LoadedBatch:
        """Load cached features, or pixels (M, S, S, 3) where `all` of the backbone trains."""
        inputs: tuple[NDArray[Any], ...] = (
            (np.stack([self._pixels(image) for image in drawn.images]),)
            if trained == "all"
            else self._cache.features(drawn.images)
        )
        labels = self._cache.episode_labels(drawn.images)
        return _loaded(drawn, tuple(torch.from_numpy(part) for part in inputs), labels)

    def encode(self, loaded: LoadedBatch, backbone: Backbone, trained: Trained) -> TrainingBatch:
        """Features, run through the part of the backbone that trains."""
        if trained == "all":
            pixels = loaded.inputs[0]
            features = backbone.features(self._normalise.to(pixels.device)(pixels))
        else:
            shallow, stage3 = loaded.inputs
            if trained == "deep":
                stage3 = backbone.deep(shallow)
            features = BackboneFeatures(shallow, stage3)
        return _split(features, loaded.labels, loaded.episodes)

    def _pixels(self, image: DrawnImage) -> NDArray[np.uint8]:
        view = make_view(self._sets, self._images[image.row], image.view, self._views)
        return view.image[:, :: image.flip]


class PixelSource:
    """Batches from plain images, augmented on the device and encoded in the step.

    Args:
        images: the plain images.
        augmentation: its strength.
        compiled: compile the backbone's forward pass for where none of it trains.
    """

    def __init__(
        self, images: TrainingImages, augmentation: Augmentation, *, compiled: bool = False
    ) -> None:
        self._images, self._augmentation = images, augmentation
        self._frozen_features = torch.compile(_features) if compiled else _features
        self._normalise = imagenet_normalise()

    def load(self, drawn: EpisodeBatch, trained: Trained) -> LoadedBatch:
        """Pixels (M, S, S, 3) and the parameters (M, P) of their augmentation."""
        views = [self._images.view(image.row) for image in drawn.images]
        labels = np.stack(
            [
                binary_labels(view.label, image.class_index)
                for view, image in zip(views, drawn.images, strict=True)
            ]
        )
        pixels = torch.from_numpy(np.stack([view.image for view in views]))
        params = torch.from_numpy(draw_params(drawn.images, self._augmentation))
        return _loaded(drawn, (pixels, params), labels)

    def encode(self, loaded: LoadedBatch, backbone: Backbone, trained: Trained) -> TrainingBatch:
        """Features of augmented images, with gradients for the trained part of the backbone."""
        pixels, params = loaded.inputs
        images, labels = augment(pixels, loaded.labels, params)
        image = self._normalise.to(pixels.device)(images.permute(0, 2, 3, 1))
        if trained == "none":
            with torch.no_grad():
                features = self._frozen_features(backbone, image)
        else:
            with torch.set_grad_enabled(trained == "all"):
                shallow = backbone.shallow(image)
            features = BackboneFeatures(shallow, backbone.deep(shallow))
        return _split(features, labels, loaded.episodes)


def _features(backbone: Backbone, image: Tensor) -> BackboneFeatures:
    return backbone.features(image)


def _loaded(
    drawn: EpisodeBatch, inputs: tuple[Tensor, ...], labels: NDArray[np.uint8]
) -> LoadedBatch:
    return LoadedBatch(len(drawn.queries), inputs, torch.from_numpy(labels))


def _split(features: BackboneFeatures, labels: Tensor, episodes: int) -> TrainingBatch:
    """Queries come first."""
    supports: Tensor = labels[episodes:]
    return TrainingBatch(
        BackboneFeatures(*(feature[:episodes] for feature in features)),
        BackboneFeatures(*(feature[episodes:] for feature in features)),
        labels[:episodes],
        supports.unflatten(0, (episodes, -1)),  # type: ignore[no-untyped-call]
    )
