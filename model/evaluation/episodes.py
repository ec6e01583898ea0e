"""The episode loop: a fixed list of episodes through a segmenter."""

from dataclasses import dataclass
from typing import Literal

from tqdm import tqdm

from model.contract import logit, upsample_logits
from model.data.datasets import LabelledImages
from model.data.episodes import ClassIndex, binary_labels, draw_episode
from model.evaluation.metrics import IoUTotals
from model.evaluation.segmenter import Segmenter, label_at, predict_query


@dataclass(frozen=True)
class EpisodeReport:
    """Result of a list of episodes; IoU in percent, classes by name."""

    episodes: int
    shots: int
    seed: int
    mean_iou: float
    fb_iou: float
    class_iou: dict[str, float]
    kind: Literal["episodes"] = "episodes"


def evaluate_episodes(
    segmenter: Segmenter,
    dataset: LabelledImages,
    classes: ClassIndex,
    *,
    shots: int,
    episodes: int,
    seed: int,
    threshold: float,
    label_side: int | None = None,
    progress: bool = False,
) -> EpisodeReport:
    """Run episodes 0 … `episodes` - 1 of `seed`.

    Args:
        segmenter: to evaluate.
        dataset: images and labels.
        classes: the test classes and their images.
        shots: K.
        episodes: how many.
        seed: of the list.
        threshold: foreground probability from which a pixel is predicted.
        label_side: compare at this square side instead of the images' own size.
        progress: show a bar.

    Raises:
        DatasetError: no class has enough images, or one cannot be read.
        ValueError: no class is labelled or predicted anywhere, at labels of a small side.
    """
    totals = IoUTotals()
    min_logit = logit(threshold)
    for number in tqdm(range(episodes), f"{shots}-shot, seed {seed}", disable=not progress):
        episode = draw_episode(classes, shots=shots, seed=seed, number=number)
        prediction, label = predict_query(segmenter, dataset, episode)
        label = label_at(label, label_side)
        mask = upsample_logits(prediction.logits, *label.shape) >= min_logit
        totals.update(episode.class_index, mask, binary_labels(label, episode.class_index))
    return EpisodeReport(
        episodes=episodes,
        shots=shots,
        seed=seed,
        mean_iou=100 * totals.mean_iou(),
        fb_iou=100 * totals.fb_iou(),
        class_iou=totals.named_percent(dataset.class_names),
    )
