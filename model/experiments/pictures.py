"""Episodes as pictures: supports, query, attention and prior, prediction and ground truth."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from model.contract import logit, sigmoid, upsample_logits
from model.data.datasets import IGNORE, LabelledImages
from model.data.episodes import ClassIndex, Episode, binary_labels, draw_episode
from model.evaluation import IoUTotals, Segmenter
from model.experiments.drawing import Colour, Panel, fit, heat, paint, row
from model.experiments.observation import Observation, observe

SUPPORT: Colour = (255, 193, 7)
PREDICTION: Colour = (38, 198, 218)
TRUTH: Colour = (124, 220, 90)
_IGNORED: Colour = (150, 150, 150)


class EpisodePicture(NamedTuple):
    """An episode of the list, its IoU in percent, and its panels."""

    number: int
    class_name: str
    iou: float
    panels: tuple[Panel, ...]

    @property
    def file_name(self) -> str:
        """The name of its PNG."""
        return f"episode-{self.number:04d}.png"


def picture_episode(
    segmenter: Segmenter,
    dataset: LabelledImages,
    episode: Episode,
    *,
    number: int,
    threshold: float,
) -> EpisodePicture:
    """Run one episode and draw it.

    Args:
        segmenter: an eager one shows attention and prior too, a bundle the prediction alone.
        dataset: images and labels.
        episode: to run.
        number: its index in the list.
        threshold: foreground probability from which a pixel is predicted.
    """
    panels, supports = [], []
    for place, index in enumerate(episode.supports):
        image, label = dataset.read(index)
        mask = label == episode.class_index
        supports.append(segmenter.add_support((dataset.name, index), image, mask))
        caption = "support" if len(episode.supports) == 1 else f"support {place + 1}"
        panels.append(Panel(caption, paint(image, mask, SUPPORT, fill=0.25)))
    image, label = dataset.read(episode.query)
    seen = observe(segmenter, (dataset.name, episode.query), image, supports)
    truth = binary_labels(label, episode.class_index)
    logits = upsample_logits(seen.logits, *label.shape)
    predicted = logits >= logit(threshold)  # as in evaluation, to the last pixel
    totals = IoUTotals()
    totals.update(episode.class_index, predicted, truth)
    iou = 100 * totals.mean_iou()
    panels += _query_panels(image, seen, sigmoid(logits), predicted, truth, iou)
    name = dataset.class_names[episode.class_index]
    return EpisodePicture(number, name, iou, tuple(panels))


def picture_episodes(
    segmenter: Segmenter,
    dataset: LabelledImages,
    classes: ClassIndex,
    *,
    shots: int,
    count: int,
    seed: int,
    threshold: float,
    out: Path,
) -> Iterator[EpisodePicture]:
    """Episodes 0 … `count` - 1 of the list that evaluation uses, each written as a PNG.

    Raises:
        model.data.datasets.DatasetError: no class has enough images.
    """
    out.mkdir(parents=True, exist_ok=True)
    for number in tqdm(range(count), "pictures"):
        episode = draw_episode(classes, shots=shots, seed=seed, number=number)
        picture = picture_episode(segmenter, dataset, episode, number=number, threshold=threshold)
        Image.fromarray(row(picture.panels)).save(out / picture.file_name)
        yield picture


def _query_panels(
    image: NDArray[np.uint8],
    seen: Observation,
    probability: NDArray[np.float32],
    predicted: NDArray[np.bool_],
    truth: NDArray[np.uint8],
    iou: float,
) -> Iterator[Panel]:
    yield Panel("query", fit(image))
    if seen.attention is not None:
        yield _stretched("attention", image, seen.attention)
    if seen.prior is not None:
        yield Panel("prior", heat(image, seen.prior))
    yield Panel("probability", heat(image, probability))
    answer = paint(image, predicted, PREDICTION, fill=0.45)
    yield Panel(f"prediction, IoU {iou:.0f}", answer)
    shown = image.copy()
    shown[truth == IGNORE] = _IGNORED
    yield Panel("ground truth", paint(shown, truth == 1, TRUTH, fill=0.45))


def _stretched(name: str, image: NDArray[np.uint8], values: NDArray[np.float32]) -> Panel:
    """A map from its lowest to its highest value; the caption tells them."""
    low, high = float(values.min()), float(values.max())
    return Panel(f"{name} {low:.2f}-{high:.2f}", heat(image, (values - low) / (high - low + 1e-7)))
