"""What the episode loops evaluate, and the label maps that predictions are compared with."""

from collections.abc import Hashable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from model.data.augment import resize_label
from model.data.datasets import LabelledImages
from model.data.episodes import Episode
from model.evaluation.prediction import Prediction

DEFAULT_THRESHOLD = 0.5  # foreground probability from which a pixel is predicted


class Segmenter(Protocol):
    """Encodes supports, and segments queries with them.

    Keys identify images, so that an implementation can cache what it computes for one.
    """

    def add_support(
        self, key: Hashable, image: NDArray[np.uint8], mask: NDArray[np.bool_]
    ) -> object:
        """Encode an RGB image (H, W, 3) and its mask (H, W); what is returned goes to `segment`."""
        ...

    def segment(
        self, key: Hashable, image: NDArray[np.uint8], supports: Sequence[object]
    ) -> Prediction:
        """Segment a query (H, W, 3) by its supports; the logits cover the image, at any size."""
        ...


def show_support(
    segmenter: Segmenter, dataset: LabelledImages, class_index: int, index: int
) -> object:
    """Add an image and its mask of one class; returns what `Segmenter.add_support` does."""
    image, label = dataset.read(index)
    return segmenter.add_support((dataset.name, index), image, label == class_index)


def show_supports(segmenter: Segmenter, dataset: LabelledImages, episode: Episode) -> list[object]:
    """Add the supports of an episode, in its order."""
    return [
        show_support(segmenter, dataset, episode.class_index, index) for index in episode.supports
    ]


def predict_query(
    segmenter: Segmenter, dataset: LabelledImages, episode: Episode
) -> tuple[Prediction, NDArray[np.uint8]]:
    """The prediction for the query of an episode, and the query's label map (H, W)."""
    supports = show_supports(segmenter, dataset, episode)
    image, label = dataset.read(episode.query)
    return segmenter.segment((dataset.name, episode.query), image, supports), label


def label_at(label: NDArray[np.uint8], side: int | None) -> NDArray[np.uint8]:
    """A label map where it is compared: at its own size, or squashed to (side, side).

    Squashed labels are the paper's results marked with a dagger (section IV-B): they are easier,
    since no border is finer than the network's input.
    """
    if side is None:
        return label
    return resize_label(label, side)
