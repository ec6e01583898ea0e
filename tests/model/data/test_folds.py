"""Folds, and which names of which sets stay out of training."""

from collections.abc import Iterable

import pytest

from model.data.folds import (
    COCO_CLASSES,
    FOLDS,
    PASCAL_CLASSES,
    FoldScheme,
    barred_classes,
    excluded_names,
    fold_classes,
)


def _barred(names: Iterable[str], tests: Iterable[str]) -> set[str]:
    """Those of a set's names that testing `tests` keeps out of training."""
    by_index = dict(enumerate(names, start=1))
    return {by_index[c] for c in barred_classes(by_index, excluded_names(tests))}


def test_folds_are_the_pascal_classes_in_voc_order() -> None:
    assert fold_classes(0) == ("aeroplane", "bicycle", "bird", "boat", "bottle")
    assert fold_classes(3) == ("pottedplant", "sheep", "sofa", "train", "tvmonitor")


def test_coco_folds_take_every_fourth_class() -> None:
    # PFENet's split 0 tests category positions 1, 5, 9 … 77.
    assert fold_classes(0, "coco")[:3] == ("person", "airplane", "boat")
    assert fold_classes(3, "coco")[-2:] == ("vase", "toothbrush")


def test_contiguous_coco_folds_take_twenty_in_a_row() -> None:
    assert fold_classes(0, "coco-contiguous")[::19] == ("person", "cow")
    assert fold_classes(2, "coco-contiguous")[::19] == ("wine glass", "bed")


@pytest.mark.parametrize(
    ("scheme", "classes"),
    [("pascal", PASCAL_CLASSES), ("coco", COCO_CLASSES), ("coco-contiguous", COCO_CLASSES)],
)
def test_folds_part_all_classes(scheme: FoldScheme, classes: tuple[str, ...]) -> None:
    folds = [fold_classes(fold, scheme) for fold in range(FOLDS)]
    assert {len(fold) for fold in folds} == {len(classes) // FOLDS}
    assert sorted(sum(folds, ())) == sorted(classes)


@pytest.mark.parametrize(
    ("scheme", "name"), [("pascal", "PASCAL-5i"), ("coco-contiguous", "COCO-20i")]
)
def test_an_unknown_fold_is_an_error(scheme: FoldScheme, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} has folds 0 to 3, not 4"):
        fold_classes(4, scheme)


@pytest.mark.parametrize(
    ("pascal", "coco"),
    [
        ("aeroplane", "airplane"),
        ("diningtable", "dining table"),
        ("motorbike", "motorcycle"),
        ("pottedplant", "potted plant"),
        ("sofa", "couch"),
        ("tvmonitor", "tv"),
        ("bird", "bird"),
    ],
)
def test_coco_and_pascal_exclude_each_other(pascal: str, coco: str) -> None:
    assert _barred(COCO_CLASSES, [pascal]) == {coco}
    assert _barred(PASCAL_CLASSES, [coco]) == {pascal}


def test_every_pascal_class_is_one_of_coco() -> None:
    for fold in range(FOLDS):
        assert len(_barred(COCO_CLASSES, fold_classes(fold))) == 5


@pytest.mark.parametrize(
    ("test", "names"),
    [
        ("person", ["pedestrian", "bicyclist", "body", "face", "skin", "hair"]),
        ("bicycle", ["bicyclist"]),
        ("motorcycle", ["bicyclist", "motor_scooter"]),
        ("potted plant", ["flower", "flowerpot", "potted_plant"]),
        ("stop sign", ["sign", "stop_sign"]),
        ("handbag", ["bag", "purse"]),
        ("bird", ["albatross", "owl"]),
        ("hair drier", ["hair_drier"]),
        ("dog", ["flat-coated_retriever"]),
    ],
)
def test_kinds_and_parts_of_a_test_class_are_excluded(test: str, names: list[str]) -> None:
    assert _barred([*names, "road", "sky"], [test]) == set(names)


def test_what_shows_a_test_class_as_its_kind_is_excluded() -> None:
    assert _barred(["bird", "owl", "eagle"], ["owl"]) == {"bird", "owl"}
    assert _barred(["person", "bicycle", "face"], ["bicyclist"]) == {"person", "bicycle"}
    assert _barred(["tv", "tvmonitor", "crt_screen"], ["monitor"]) == {"tv", "tvmonitor"}


def test_spelling_does_not_matter() -> None:
    assert _barred(["Air Plane", "air-plane", "planes"], ["aeroplane"]) == {
        "Air Plane",
        "air-plane",
    }


def test_excluded_names_hold_the_test_classes_themselves() -> None:
    assert {"bottle", "airplane", "cup"} <= excluded_names(["bottle", "aeroplane", "cup"])
    assert excluded_names([]) == frozenset()
