"""The sets a network trains on: which images, how often, and which classes stay unseen."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from model.data.datasets import (
    KEEP_ALL,
    Keep,
    LabelledImages,
    ProceduralDefects,
    Subset,
    class_areas,
    open_dataset,
)
from model.data.folds import barred_classes

PROCEDURAL = "procedural_defects"


@dataclass(frozen=True, kw_only=True)
class SetConfig:
    """One set of a mixture.

    Attributes:
        name: folder under the data root, with `@SPLIT` behind it for another split than
            `train`, or `procedural_defects`.
        weight: share of episodes, relative to the other sets.
        keep: residues and modulus of the images in use; the rest stays for evaluation.
        min_share: smallest share of the image that a class must cover to be asked for.
        per_class: rendered images of each class (procedural only).
    """

    name: str
    weight: float
    keep: Keep = KEEP_ALL
    min_share: float = 0.005
    per_class: int = 120


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
    """Every image of the sets that shows no excluded class, under whatever name."""
    images = []
    for set_index, dataset in enumerate(sets):
        barred = barred_classes(dataset.class_names, excluded)
        for index in range(len(dataset)):
            if not barred or barred.isdisjoint(class_areas(dataset, index)):
                images.append(SourceImage(set_index, index))
    return images


def class_table(
    labels: np.ndarray, set_index: np.ndarray, set_number: int, min_share: float
) -> dict[int, np.ndarray]:
    """Class index → rows (row, view) of cached label maps (N, V, L, L) of one set that hold it."""
    rows: dict[int, list[tuple[int, int]]] = {}
    for row in np.nonzero(set_index == set_number)[0]:
        for view, label in enumerate(labels[row]):
            counts = np.bincount(label.ravel(), minlength=256)
            for c in np.nonzero(counts >= min_share * label.size)[0]:
                if c not in (0, 255):
                    rows.setdefault(int(c), []).append((int(row), view))
    return {c: np.asarray(found, dtype=np.int64) for c, found in rows.items()}
