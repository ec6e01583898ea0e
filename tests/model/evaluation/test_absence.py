"""Episodes whose query lacks the class."""

from collections.abc import Hashable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from model.data.datasets import DatasetError
from model.data.episodes import ClassIndex, draw_episode, index_classes
from model.evaluation.absence import AbsenceList, absent_queries, evaluate_absence
from model.evaluation.prediction import Prediction
from tests.model.evaluation.squares import ColourSegmenter, Squares

DATASET = Squares()
CLASSES = index_classes(DATASET, (1, 2), min_area=10)


def _list(share: float = 0.5, episodes: int = 40) -> AbsenceList:
    return AbsenceList(CLASSES, absent_queries(DATASET, CLASSES), share, 1, episodes, seed=3)


def test_absent_queries_lack_the_class_and_hold_another() -> None:
    found = absent_queries(DATASET, CLASSES)
    assert {c: rows.tolist() for c, rows in found.items()} == {1: [1, 3, 5], 2: [0, 2, 4]}


def test_a_share_of_the_queries_lacks_the_class_and_the_others_are_those_of_the_plain_list() -> (
    None
):
    episodes = _list(share=0.3, episodes=400)
    drawn = [episodes.draw(number) for number in range(400)]
    absent = [episode for episode, present in drawn if not present]
    assert 90 <= len(absent) <= 150
    assert all(episode.query in episodes.absent[episode.class_index] for episode in absent)
    for number, (episode, present) in enumerate(drawn):
        plain = draw_episode(CLASSES, shots=1, seed=3, number=number)
        assert episode.supports == plain.supports
        assert (episode == plain) == present
    assert drawn == [_list(share=0.3).draw(number) for number in range(400)]


class OneDefect(Squares):
    """Two images of the first class, two of background alone, and two that are partly ignored."""

    def label(self, index: int) -> NDArray[np.uint8]:
        label = np.zeros((24, 40), np.uint8)
        label[4:14, 5:20] = (1, 1, 0, 0, 255, 255)[index]
        return label


def test_the_only_class_of_a_set_is_absent_where_all_is_background() -> None:
    dataset = OneDefect()
    classes = index_classes(dataset, (1,), min_area=10)
    assert absent_queries(dataset, classes)[1].tolist() == [2, 3]
    assert absent_queries(dataset, classes, [0, 1, 3])[1].tolist() == [3]


def test_background_alone_is_no_query_where_another_class_is() -> None:
    class WithPlain(Squares):
        def label(self, index: int) -> NDArray[np.uint8]:
            return super().label(index) if index < 4 else np.zeros((24, 40), np.uint8)

    found = absent_queries(WithPlain(), CLASSES)
    assert {c: rows.tolist() for c, rows in found.items()} == {1: [1, 3], 2: [0, 2]}


def test_a_class_that_is_everywhere_cannot_be_absent() -> None:
    everywhere = ClassIndex({1: np.arange(6)})
    none = np.array([], np.int64)
    episodes = AbsenceList(everywhere, {1: none}, 0.99, 1, 1, seed=0, names={1: "scratch"})
    with pytest.raises(DatasetError, match="no image is known to lack scratch"):
        episodes.draw(0)


def test_the_gate_empties_what_is_painted_into_absent_queries() -> None:
    segmenter = ColourSegmenter(painted=2)
    episodes = _list()
    report = evaluate_absence(segmenter, DATASET, episodes, threshold=0.5, presence_threshold=0.5)
    assert report.auroc == 1
    assert report.gated_mean_iou is not None
    assert report.gated_fb_iou is not None
    assert report.mean_iou < report.gated_mean_iou < 100  # rows painted into present queries stay
    assert report.fb_iou < report.gated_fb_iou < 100
    assert (report.present_kept, report.absent_emptied) == (100, 100)
    assert 30 < report.absent < 70


def test_without_a_threshold_there_is_no_gate() -> None:
    report = evaluate_absence(
        ColourSegmenter(), DATASET, _list(), threshold=0.5, presence_threshold=None
    )
    assert (report.mean_iou, report.auroc) == (100, 1)
    assert report.gated_mean_iou is None
    assert report.present_kept is None


class FooledSegmenter(ColourSegmenter):
    """Finds every class in the first image."""

    def segment(
        self, key: Hashable, image: NDArray[np.uint8], supports: Sequence[object]
    ) -> Prediction:
        found = super().segment(key, image, supports)
        return found._replace(presence=0.95) if key == (DATASET.name, 0) else found


def test_images_that_training_cannot_have_seen_are_judged_apart() -> None:
    def aurocs(*unseen: int) -> tuple[float, float | None]:
        report = evaluate_absence(
            FooledSegmenter(),
            DATASET,
            _list(),
            threshold=0.5,
            presence_threshold=0.5,
            unseen=unseen,
        )
        return report.auroc, report.auroc_unseen

    every, none = aurocs()
    assert 0.5 < every < 1
    assert none is None
    assert aurocs(1, 2, 3, 4, 5) == (every, 1)
    assert aurocs(*range(6)) == (every, every)
