"""PASCAL-5i folds, and which classes of other sets mean the same as a test class."""

from collections.abc import Iterable

PASCAL_CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle",
    "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person",
    "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip

# Names under which other sets label (or show as a part) a PASCAL class.
_SYNONYMS = {
    "bicycle": ("bicyclist",),
    "person": ("pedestrian", "body", "face", "skin", "hair", "bicyclist"),
    "pottedplant": ("flower",),
}


def fold_classes(fold: int) -> tuple[str, ...]:
    """Test classes of PASCAL-5i fold 0-3 (5 each, VOC order).

    Raises:
        ValueError: no such fold.
    """
    if fold not in range(4):
        raise ValueError(f"PASCAL-5i has folds 0 to 3, not {fold}")
    return PASCAL_CLASSES[5 * fold : 5 * fold + 5]


def excluded_names(test_classes: Iterable[str]) -> frozenset[str]:
    """Test classes with every name that means the same in any set."""
    names = set(test_classes)
    for name in tuple(names):
        names.update(_SYNONYMS.get(name, ()))
    return frozenset(names)
