"""Which classes an experiment asks for."""

from collections.abc import Sequence

from model.data.datasets import LabelledImages
from model.data.episodes import MIN_AREA, ClassIndex, fold_class_names, index_classes
from model.data.folds import FoldScheme


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
