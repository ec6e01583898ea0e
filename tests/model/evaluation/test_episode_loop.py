"""The episode loop over segmenters whose answers are known."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from model.data.episodes import index_classes
from model.evaluation import EpisodeReport, evaluate_episodes


@dataclass
class Squares:
    """Six images of two classes whose pixels show the label: colour 100 times the class."""

    name: str = "squares"
    class_names: dict[int, str] = field(default_factory=lambda: {1: "left", 2: "right"})

    def __len__(self) -> int:
        return 6

    def label(self, index: int) -> NDArray[np.uint8]:
        label = np.zeros((24, 40), np.uint8)
        label[4 : 14 + index, 5:20] = 1 + index % 2
        label[0] = 255
        return label

    def read(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        label = self.label(index)
        shown = np.where(label == 255, 0, label) * 100
        return np.repeat(shown[..., None], 3, axis=2).astype(np.uint8), label


class ColourSegmenter:
    """Finds the supports' own colour, or with sign -1 everything else."""

    def __init__(self, sign: float) -> None:
        self._sign = sign

    def add_support(
        self, key: Hashable, image: NDArray[np.uint8], mask: NDArray[np.bool_]
    ) -> object:
        return image[mask].mean()

    def logits(
        self, key: Hashable, image: NDArray[np.uint8], supports: Sequence[object]
    ) -> NDArray[np.float32]:
        found = np.where(image[..., 0] == supports[0], 9, -9)
        return (self._sign * found).astype(np.float32)


def _evaluate(sign: float, shots: int = 1, threshold: float = 0.5) -> EpisodeReport:
    dataset = Squares()
    return evaluate_episodes(
        ColourSegmenter(sign),
        dataset,
        index_classes(dataset, (1, 2), min_area=10),
        shots=shots,
        episodes=12,
        seed=3,
        threshold=threshold,
    )


@pytest.mark.parametrize("shots", [1, 2])
def test_an_oracle_scores_100(shots: int) -> None:
    report = _evaluate(1, shots)
    assert (report.mean_iou, report.fb_iou) == (100, 100)
    assert report.class_iou == {"left": 100, "right": 100}
    assert (report.episodes, report.shots, report.seed) == (12, shots, 3)


def test_an_inverted_oracle_scores_0() -> None:
    report = _evaluate(-1)
    assert (report.mean_iou, report.fb_iou) == (0, 0)


def test_the_threshold_is_a_probability() -> None:
    # Logits of 9 are a probability of 0.99988.
    assert _evaluate(1, threshold=0.9998).mean_iou == 100
    assert _evaluate(1, threshold=0.9999).mean_iou == 0
