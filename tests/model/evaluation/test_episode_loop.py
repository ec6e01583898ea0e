"""The episode loop over segmenters whose answers are known."""

import numpy as np
import pytest

from model.data.episodes import index_classes
from model.evaluation import EpisodeReport, evaluate_episodes
from model.evaluation.images import RecentImages
from model.evaluation.segmenter import label_at
from tests.model.evaluation.squares import ColourSegmenter, Squares


def _evaluate(
    segmenter: ColourSegmenter,
    shots: int = 1,
    threshold: float = 0.5,
    label_side: int | None = None,
) -> EpisodeReport:
    dataset = Squares()
    return evaluate_episodes(
        segmenter,
        dataset,
        index_classes(dataset, (1, 2), min_area=10),
        shots=shots,
        episodes=12,
        seed=3,
        threshold=threshold,
        label_side=label_side,
    )


@pytest.mark.parametrize("shots", [1, 2])
def test_an_oracle_scores_100(shots: int) -> None:
    report = _evaluate(ColourSegmenter(), shots)
    assert (report.mean_iou, report.fb_iou) == (100, 100)
    assert report.class_iou == {"left": 100, "right": 100}
    assert (report.episodes, report.shots, report.seed) == (12, shots, 3)


def test_an_inverted_oracle_scores_0() -> None:
    report = _evaluate(ColourSegmenter(-1))
    assert (report.mean_iou, report.fb_iou) == (0, 0)


def test_the_threshold_is_a_probability() -> None:
    # Logits of 9 are a probability of 0.99988.
    assert _evaluate(ColourSegmenter(), threshold=0.9998).mean_iou == 100
    assert _evaluate(ColourSegmenter(), threshold=0.9999).mean_iou == 0


def test_labels_can_be_compared_at_another_size() -> None:
    # One painted row is 1 of 24 at the images' own size, and 1 of 8 where every third is left.
    segmenter = ColourSegmenter(painted=1)
    own, squashed = _evaluate(segmenter), _evaluate(segmenter, label_side=8)
    assert 50 < squashed.mean_iou < own.mean_iou < 100
    assert _evaluate(ColourSegmenter(), label_side=8).mean_iou == 100


def test_a_squashed_label_keeps_classes_and_the_ignored() -> None:
    label = np.array([[1, 1, 255, 255], [1, 1, 7, 7]], np.uint8)
    assert label_at(label, 2).tolist() == [[1, 255], [1, 7]]
    assert label_at(label, None) is label


def test_images_are_decoded_once_while_they_fit() -> None:
    dataset = Squares()
    classes = index_classes(dataset, (1, 2), min_area=10)
    for seed in (0, 1):
        evaluate_episodes(
            ColourSegmenter(),
            RecentImages(dataset) if seed == 0 else RecentImages(dataset, limit_bytes=1),
            classes,
            shots=2,
            episodes=20,
            seed=seed,
            threshold=0.5,
        )
        if seed == 0:
            assert sorted(dataset.reads) == [0, 1, 2, 3, 4, 5]
    # With room for one image, most of the 60 reads go to the files.
    assert len(dataset.reads) > 6 + 40
