"""The episode loop: a fixed list of episodes through a segmenter."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from model.contract import upsample_logits
from model.data.datasets import LabelledImages
from model.data.episodes import ClassIndex, binary_labels, draw_episode
from model.evaluation.metrics import IoUTotals


class Segmenter(Protocol):
    """Anything that can be shown supports and asked about a query.

    Keys identify images, so that an implementation may keep what it computed for one.
    """

    def add_support(
        self, key: Hashable, image: NDArray[np.uint8], mask: NDArray[np.bool_]
    ) -> object:
        """Whatever the implementation keeps of a support: RGB (H, W, 3) and its mask (H, W)."""
        ...

    def logits(
        self, key: Hashable, image: NDArray[np.uint8], supports: Sequence[object]
    ) -> NDArray[np.float32]:
        """Foreground logits (h, w) of a query."""
        ...


@dataclass(frozen=True)
class EpisodeReport:
    """Result of a list of episodes; IoU in percent, classes by name."""

    episodes: int
    shots: int
    seed: int
    mean_iou: float
    fb_iou: float
    class_iou: dict[str, float]


def evaluate_episodes(
    segmenter: Segmenter,
    dataset: LabelledImages,
    classes: ClassIndex,
    *,
    shots: int,
    episodes: int,
    seed: int,
    threshold: float,
    progress: bool = False,
) -> EpisodeReport:
    """Run episodes 0 … `episodes` - 1 of `seed`, scored at the images' own size.

    Args:
        segmenter: what is judged.
        dataset: images and labels.
        classes: the test classes and their images.
        shots: K.
        episodes: how many.
        seed: of the list.
        threshold: foreground probability from which a pixel is marked.
        progress: show a bar.
    """
    totals = IoUTotals()
    cut = float(np.log(threshold / (1 - threshold)))
    for number in tqdm(range(episodes), f"{shots}-shot", disable=not progress):
        episode = draw_episode(classes, shots=shots, seed=seed, number=number)
        supports = []
        for index in episode.supports:
            image, label = dataset.read(index)
            key = (dataset.name, index)
            supports.append(segmenter.add_support(key, image, label == episode.class_index))
        image, label = dataset.read(episode.query)
        logits = segmenter.logits((dataset.name, episode.query), image, supports)
        prediction = upsample_logits(logits, *label.shape) >= cut
        totals.update(episode.class_index, prediction, binary_labels(label, episode.class_index))
    names = dataset.class_names
    return EpisodeReport(
        episodes=episodes,
        shots=shots,
        seed=seed,
        mean_iou=100 * totals.mean_iou(),
        fb_iou=100 * totals.fb_iou(),
        class_iou={names[c]: 100 * iou for c, iou in totals.class_iou().items()},
    )
