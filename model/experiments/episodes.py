"""Which classes an experiment asks for."""

from collections.abc import Sequence

from model.data.datasets import DatasetError, LabelledImages
from model.data.episodes import MIN_AREA, ClassIndex, index_classes
from model.data.folds import fold_classes


def asked_classes(
    dataset: LabelledImages, folds: Sequence[int] | None, min_area: int = MIN_AREA
) -> ClassIndex:
    """The classes of the PASCAL-5i folds, or without folds every class of the set.

    Raises:
        DatasetError: the set lacks a class of the folds.
        ValueError: no such fold.
    """
    by_name = {name: index for index, name in dataset.class_names.items()}
    if folds is None:
        return index_classes(dataset, tuple(by_name.values()), min_area)
    names = [name for fold in folds for name in fold_classes(fold)]
    missing = [name for name in names if name not in by_name]
    if missing:
        raise DatasetError(
            f"{dataset.name} has no class {', '.join(missing)}: folds are for PASCAL VOC sets, "
            "leave them out to ask for every class"
        )
    return index_classes(dataset, tuple(by_name[name] for name in names), min_area)
