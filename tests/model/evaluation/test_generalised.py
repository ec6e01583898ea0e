"""Base and novel classes in one label map."""

import numpy as np
import pytest

from model.data.datasets import DatasetError
from model.data.episodes import ClassIndex, index_classes
from model.evaluation.generalised import (
    GeneralisedReport,
    draw_supports,
    evaluate_generalised,
    fuse_classes,
)
from tests.model.evaluation.squares import ColourSegmenter, Squares

DATASET = Squares()
CLASSES = index_classes(DATASET, (1, 2), min_area=10)


def _evaluate(segmenter: ColourSegmenter, images: int = 6, shots: int = 1) -> GeneralisedReport:
    return evaluate_generalised(
        segmenter, DATASET, CLASSES, (2,), shots=shots, images=images, seed=0, threshold=0.5
    )


def test_an_oracle_labels_every_image_that_is_no_support() -> None:
    report = _evaluate(ColourSegmenter())
    assert (report.base_iou, report.novel_iou, report.harmonic_iou) == (100, 100, 100)
    assert report.background_iou == 100
    assert report.class_iou == {"left": 100, "right": 100}
    assert report.images == 4


def test_the_harmonic_mean_punishes_a_side_that_fails() -> None:
    class NoNovel(ColourSegmenter):
        """Never finds what is shown in the second class's colour."""

        def segment(self, key, image, supports):  # type: ignore[no-untyped-def]
            found = super().segment(key, image, supports)
            if supports[0] == 100:
                return found
            return found._replace(logits=np.full_like(found.logits, -9))

    report = _evaluate(NoNovel())
    assert (report.base_iou, report.novel_iou, report.harmonic_iou) == (100, 0, 0)


def test_labels_of_unknown_classes_do_not_count() -> None:
    class Stranger(Squares):
        """Every label map has a few pixels of a class that the set does not name."""

        def read(self, index):  # type: ignore[no-untyped-def]
            image, label = super().read(index)
            label = label.copy()
            label[-1, -1] = 77
            return image, label

    report = evaluate_generalised(
        ColourSegmenter(), Stranger(), CLASSES, (2,), shots=1, images=6, seed=0, threshold=0.5
    )
    assert report.class_iou == {"left": 100, "right": 100}
    assert report.base_iou == 100


def test_supports_of_a_class_do_not_depend_on_the_other_classes() -> None:
    both = draw_supports(CLASSES, shots=2, seed=4)
    alone = draw_supports(ClassIndex({2: CLASSES.images[2]}), shots=2, seed=4)
    assert both[2] == alone[2]
    assert len(set(both[2])) == 2
    assert set(both[2]) <= {1, 3, 5}


def test_a_pixel_gets_its_best_class_from_the_threshold_on() -> None:
    first = np.array([[2.0, -1.0, 0.5, -3.0]], np.float32)
    second = np.array([[1.0, 0.0, 3.0, -2.0]], np.float32)
    fused = fuse_classes(iter([(4, first), (9, second)]), min_logit=0.0)
    assert fused.tolist() == [[4, 9, 9, 0]]


def test_a_class_with_too_few_images_is_told() -> None:
    with pytest.raises(DatasetError, match="class 1 has 3 images, 4 supports"):
        _evaluate(ColourSegmenter(), shots=4)


def test_a_set_of_supports_alone_is_refused() -> None:
    with pytest.raises(DatasetError, match="no query is left"):
        _evaluate(ColourSegmenter(), shots=3)
