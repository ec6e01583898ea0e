"""The sets a network trains on: which images, how often, and which classes stay unseen."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.data.datasets import (
    KEEP_ALL,
    Keep,
    LabelledImages,
    ProceduralDefects,
    Subset,
    class_areas,
    open_dataset,
)
from model.data.episodes import ClassIndex
from model.data.folds import barred_classes

PROCEDURAL = "procedural_defects"


@dataclass(frozen=True, kw_only=True)
class SetConfig:
    """One set of a mixture.

    Attributes:
        name: folder under the data root, with `@SPLIT` behind it for another split than
            `train`, or `procedural_defects`.
        weight: share of episodes, relative to the other sets.
        keep: residues and modulus of the image numbers to train on; the rest is for evaluation.
        min_share: share of the image that a class must cover at least to be drawn.
        per_class: rendered images of each class (procedural only).
        absent: whether its images may be queries that lack the class. Switch it off where labels
            are incomplete: rendered images show unlabelled defects of other classes.
    """

    name: str
    weight: float
    keep: Keep = KEEP_ALL
    min_share: float = 0.005
    per_class: int = 120
    absent: bool = True


class SourceImage(NamedTuple):
    """An image of the mixture: which set, and its index there."""

    set_index: int
    image_index: int


def open_set(config: SetConfig, data_root: Path, side: int) -> LabelledImages:
    """The set a config names."""
    if config.name == PROCEDURAL:
        return ProceduralDefects(per_class=config.per_class, side=side)
    dataset = open_dataset(data_root / config.name, split="train")
    return dataset if config.keep == KEEP_ALL else Subset(dataset, config.keep)


def allowed_images(sets: Sequence[LabelledImages], excluded: frozenset[str]) -> list[SourceImage]:
    """Every image of the sets that shows no excluded class, whatever its name in the set."""
    return [
        SourceImage(set_index, index)
        for set_index, dataset in enumerate(sets)
        for index in images_without(dataset, excluded)
    ]


def images_without(dataset: LabelledImages, excluded: frozenset[str]) -> list[int]:
    """Indices of the images that show no excluded class, whatever its name in the set."""
    barred = barred_classes(dataset.class_names, excluded)
    every = range(len(dataset))
    return [i for i in every if not barred or barred.isdisjoint(class_areas(dataset, i))]


def classes_without(
    dataset: LabelledImages,
    classes: ClassIndex,
    excluded: frozenset[str],
    allowed: Sequence[int],
) -> ClassIndex:
    """The classes that are not excluded, on the images of `images_without`."""
    barred = barred_classes(dataset.class_names, excluded)
    return ClassIndex(
        {c: np.intersect1d(rows, allowed) for c, rows in classes.images.items() if c not in barred}
    )


def count_classes(label: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Pixels of every class index, (256,), in a label map."""
    return np.bincount(label.ravel(), minlength=256).astype(np.int32)


def class_table(
    counts: NDArray[np.int32],
    set_index: NDArray[np.int64],
    set_number: int,
    min_share: float,
    named: Collection[int],
) -> dict[int, NDArray[np.int64]]:
    """Class index → rows (row, view) of one set that hold it, from counts (N, V, 256).

    Label values that are not among the classes that the set names, such as a void of 250, are none.
    """
    rows: dict[int, list[tuple[int, int]]] = {}
    for row in np.nonzero(set_index == set_number)[0]:
        for view, shown in enumerate(counts[row]):
            for c in np.nonzero(shown >= min_share * shown.sum())[0]:
                if c in named:
                    rows.setdefault(int(c), []).append((int(row), view))
    return {c: np.asarray(found, dtype=np.int64) for c, found in rows.items()}
