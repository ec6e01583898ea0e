"""Episodes as data: episode i is a pure function of (seed, i)."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.data.datasets import IGNORE, DatasetError, LabelledImages, class_areas
from model.data.folds import FoldScheme, fold_classes

# PFENet's rule: a class counts in an image if it covers two 32x32 patches at original size.
MIN_AREA = 2 * 32 * 32
# What is behind most errors about too few images.
NOT_COUNTED = "objects under --min-area pixels do not count, and labels of 255 are ignored"


class Episode(NamedTuple):
    """Indices into a set: K supports and a query that hold the class."""

    class_index: int
    query: int
    supports: tuple[int, ...]


class ClassIndex(NamedTuple):
    """Which images hold a class: class index → sorted image indices."""

    images: Mapping[int, NDArray[np.int64]]

    def with_at_least(self, count: int) -> "ClassIndex":
        """Only classes that at least `count` images show."""
        return ClassIndex({c: rows for c, rows in self.images.items() if len(rows) >= count})


def index_classes(
    dataset: LabelledImages, classes: tuple[int, ...], min_area: int = MIN_AREA
) -> ClassIndex:
    """Find the images that hold each class with at least `min_area` pixels."""
    found: dict[int, list[int]] = {c: [] for c in classes}
    for i in range(len(dataset)):
        for c, area in class_areas(dataset, i).items():
            if c in found and area >= max(min_area, 1):
                found[c].append(i)
    return ClassIndex({c: np.asarray(rows, dtype=np.int64) for c, rows in found.items()})


def fold_class_names(
    dataset: LabelledImages, fold: int | None, scheme: FoldScheme = "pascal"
) -> tuple[str, ...]:
    """Names of the classes of a fold, or without a fold of every class of the set.

    Raises:
        DatasetError: the set lacks a class of the fold.
        ValueError: no such fold.
    """
    names = tuple(dataset.class_names.values())
    if fold is None:
        return names
    tested = fold_classes(fold, scheme)
    missing = [name for name in tested if name not in names]
    if missing:
        raise DatasetError(
            f"{dataset.name} has no class {', '.join(missing)} of fold {fold} ({scheme}); "
            "without --folds every class is tested"
        )
    return tested


def asked_classes(
    dataset: LabelledImages,
    folds: Sequence[int] | None,
    min_area: int = MIN_AREA,
    scheme: FoldScheme = "pascal",
) -> ClassIndex:
    """The classes of the folds, or without folds every class of the set.

    Raises:
        DatasetError: the set lacks a class of the folds.
        ValueError: no such fold.
    """
    by_name = {name: index for index, name in dataset.class_names.items()}
    if folds is None:
        return index_classes(dataset, tuple(by_name.values()), min_area)
    names = [name for fold in folds for name in fold_class_names(dataset, fold, scheme)]
    return index_classes(dataset, tuple(by_name[name] for name in names), min_area)


def draw_episode(classes: ClassIndex, *, shots: int, seed: int, number: int) -> Episode:
    """Episode `number` of a list: a class uniformly, then distinct images uniformly.

    Raises:
        DatasetError: no class has enough images.
    """
    eligible = classes.with_at_least(shots + 1).images
    if not eligible:
        raise DatasetError(
            f"no class has the {shots + 1} images that a {shots}-shot episode needs; {NOT_COUNTED}"
        )
    rng = np.random.default_rng((seed, number))
    names = sorted(eligible)
    class_index = names[int(rng.integers(len(names)))]
    query, *supports = rng.choice(eligible[class_index], size=shots + 1, replace=False)
    return Episode(class_index, int(query), tuple(int(i) for i in supports))


def require_episodes(classes: Iterable[ClassIndex], shots: Iterable[int]) -> None:
    """Check that every number of shots can be drawn from each of the indices.

    Raises:
        DatasetError: for one of them, no class has enough images.
    """
    for index, count in product(classes, shots):
        draw_episode(index, shots=count, seed=0, number=0)


def binary_labels(label: NDArray[np.uint8], class_index: int) -> NDArray[np.uint8]:
    """A label map for one class: 1 the class, 0 anything else, 255 ignored."""
    binary = np.asarray(label == class_index, dtype=np.uint8)
    binary[label == IGNORE] = IGNORE
    return binary
