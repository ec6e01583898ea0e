"""What the episode loops ask of whatever they judge, and where an answer is compared."""

from collections.abc import Hashable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from model.data.augment import resize_label
from model.data.datasets import LabelledImages
from model.data.episodes import Episode
from model.evaluation.marked import Marked

DEFAULT_THRESHOLD = 0.5  # foreground probability from which a pixel is marked


class Segmenter(Protocol):
    """Anything that can be shown supports and asked about a query.

    Keys identify images, so that an implementation may keep what it computed for one.
    """

    def add_support(
        self, key: Hashable, image: NDArray[np.uint8], mask: NDArray[np.bool_]
    ) -> object:
        """Whatever the implementation keeps of a support: RGB (H, W, 3) and its mask (H, W)."""
        ...

    def mark(self, key: Hashable, image: NDArray[np.uint8], supports: Sequence[object]) -> Marked:
        """Find the supports' class in a query; logits at any size that covers the whole image."""
        ...


def show_support(
    segmenter: Segmenter, dataset: LabelledImages, class_index: int, index: int
) -> object:
    """Show one image's object of a class; returns what the segmenter keeps of it."""
    image, label = dataset.read(index)
    return segmenter.add_support((dataset.name, index), image, label == class_index)


def show_supports(segmenter: Segmenter, dataset: LabelledImages, episode: Episode) -> list[object]:
    """Show the supports of an episode, in its order."""
    return [
        show_support(segmenter, dataset, episode.class_index, index) for index in episode.supports
    ]


def answer(
    segmenter: Segmenter, dataset: LabelledImages, episode: Episode
) -> tuple[Marked, NDArray[np.uint8]]:
    """The answer to the query of an episode, and its label map (H, W)."""
    supports = show_supports(segmenter, dataset, episode)
    image, label = dataset.read(episode.query)
    return segmenter.mark((dataset.name, episode.query), image, supports), label


def label_at(label: NDArray[np.uint8], side: int | None) -> NDArray[np.uint8]:
    """A label map where it is compared: at its own size, or squashed to (side, side).

    Squashed labels are the paper's results marked with a dagger (section IV-B): they are easier,
    since no border is finer than the network's input.
    """
    if side is None:
        return label
    return resize_label(label, side)
