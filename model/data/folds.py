"""Folds of PASCAL-5i and COCO-20i, and which classes of other sets mean the same."""

from collections.abc import Iterable, Mapping
from typing import Literal

from model.data.class_synonyms import HYPONYMS, SYNONYMS

PASCAL_CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle",
    "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person",
    "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip

COCO_CLASSES = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck",
    "boat", "traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat",
    "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe",
    "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard",
    "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard",
    "tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl",
    "banana", "apple", "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza",
    "donut", "cake", "chair", "couch", "potted plant", "bed", "dining table", "toilet",
    "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven",
    "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors", "teddy bear",
    "hair drier", "toothbrush",
)  # fmt: skip

FOLDS = 4

# `coco` takes every fourth class (PANet, PFENet, HSNet), `coco-contiguous` twenty in a row.
FoldScheme = Literal["pascal", "coco", "coco-contiguous"]


def fold_classes(fold: int, scheme: FoldScheme = "pascal") -> tuple[str, ...]:
    """Test classes of fold 0-3, in the order of the set: 5 of PASCAL-5i, 20 of COCO-20i.

    Raises:
        ValueError: no such fold.
    """
    if fold not in range(FOLDS):
        name = "PASCAL-5i" if scheme == "pascal" else "COCO-20i"
        raise ValueError(f"{name} has folds 0 to {FOLDS - 1}, not {fold}")
    if scheme == "coco":
        return COCO_CLASSES[fold::FOLDS]
    classes = PASCAL_CLASSES if scheme == "pascal" else COCO_CLASSES
    size = len(classes) // FOLDS
    return classes[size * fold : size * (fold + 1)]


def excluded_names(test_classes: Iterable[str]) -> frozenset[str]:
    """Test classes with all of their names in the known sets."""
    names = set(test_classes)
    meant = _with_synonyms({_plain(name) for name in names})
    for general, kinds in HYPONYMS.items():
        plain_general, plain_kinds = _plain(general), {_plain(kind) for kind in kinds}
        if plain_general in meant:
            names.update(kinds)
        # A test class that is itself a kind or part is shown by the general class.
        elif not meant.isdisjoint(plain_kinds):
            names.add(general)
    plain_names = {_plain(name) for name in names}
    return frozenset(names.union(*(s for s in SYNONYMS if plain_names & {_plain(n) for n in s})))


def barred_classes(class_names: Mapping[int, str], excluded: frozenset[str]) -> frozenset[int]:
    """Class indices of a set whose names are excluded; case, spaces, _ and - do not count."""
    plain_excluded = {_plain(name) for name in excluded}
    return frozenset(c for c, name in class_names.items() if _plain(name) in plain_excluded)


def _plain(name: str) -> str:
    return name.lower().translate(str.maketrans("", "", " _-"))


def _with_synonyms(plain_names: set[str]) -> set[str]:
    """Plain names and their synonyms."""
    groups = ({_plain(name) for name in synonyms} for synonyms in SYNONYMS)
    return plain_names.union(*(group for group in groups if group & plain_names))
