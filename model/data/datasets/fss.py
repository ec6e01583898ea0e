"""FSS-1000: a folder for each class, ten images in it."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.data.datasets.base import (
    BACKGROUND,
    MAX_CLASSES,
    DatasetError,
    read_image,
    read_lines,
    read_pair,
)

FSS_LAYOUT = "<class>/{1..10}.jpg, <class>/{1..10}.png and fss1000_{trn,val,test}.txt"
_LISTS = {"train": "fss1000_trn.txt", "val": "fss1000_val.txt", "test": "fss1000_test.txt"}
_PER_CLASS = 10
_SPLIT = re.compile(r"(?P<list>.+?)(?::(?P<part>\d+)/(?P<parts>\d+))?")


@dataclass(frozen=True)
class FssDataset:
    """Classes of FSS-1000. A pixel is of its folder's class where the mask is lighter than half.

    Args:
        root: holds the class folders.
        split: `train`, `val` or `test`, whose lists of class names lie beside the class folders,
            or the path of another list. `:1/3` behind it takes every third class from the first
            on: the 520 that train are more than one label map has room for.

    Raises:
        DatasetError: on first use, when the list or a class folder is missing, or there are too
            many classes.
    """

    root: Path
    split: str

    @property
    def name(self) -> str:
        return f"fss_{self.split}"

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Class folders in the order of the list."""
        classes = _read_classes(self.root, self.split)
        missing = [name for name in classes if not (self.root / name).is_dir()]
        if missing:
            raise DatasetError(f"expected a class folder at {self.root / missing[0]}")
        return classes

    @cached_property
    def class_names(self) -> dict[int, str]:
        return dict(enumerate(self.classes, start=1))

    def __len__(self) -> int:
        return _PER_CLASS * len(self.classes)

    def label(self, index: int) -> NDArray[np.uint8]:
        # Masks come as black and white in colours, with a few greys along the outline.
        inside = read_image(self._path(index, "png"))[..., 0] >= 128
        class_index = 1 + index // _PER_CLASS
        return np.where(inside, class_index, BACKGROUND).astype(np.uint8)

    def read(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        return read_pair(self._path(index, "jpg"), self.label(index))

    def files(self, index: int) -> tuple[Path, Path]:
        return self._path(index, "jpg"), self._path(index, "png")

    def _path(self, index: int, kind: str) -> Path:
        number, name = 1 + index % _PER_CLASS, self.classes[index // _PER_CLASS]
        return self.root / name / f"{number}.{kind}"


def _read_classes(root: Path, split: str) -> tuple[str, ...]:
    match = _SPLIT.fullmatch(split)
    if match is None:
        raise DatasetError(f"{root}: expected one of {', '.join(_LISTS)} or a list file")
    name, part, parts = match["list"], int(match["part"] or 1), int(match["parts"] or 1)
    if not 1 <= part <= parts:
        raise DatasetError(f"{root}: there is no part {part} of {parts} of {name}")
    classes = read_lines(root / _LISTS[name] if name in _LISTS else Path(name))
    chosen = classes[part - 1 :: parts]
    if len(chosen) > MAX_CLASSES:
        raise DatasetError(
            f"{root}: {len(chosen)} classes, and a label map has room for {MAX_CLASSES}: take "
            f"parts of the list, such as {name}:1/{-(-len(classes) // MAX_CLASSES)}"
        )
    return chosen
