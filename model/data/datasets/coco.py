"""COCO from its own instance annotations."""

from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask
from pycocotools.coco import COCO

from model.data.datasets.base import (
    BACKGROUND,
    IGNORE,
    MAX_CLASSES,
    DatasetError,
    read_pair,
)

COCO_LAYOUT = "annotations/instances_<split>.json and <split>/<file_name>, such as val2014"
_PREFIX = "instances_"


@dataclass(frozen=True)
class CocoDataset:
    """The images of an instance file that have an annotation, as label maps.

    COCO's instances may overlap, and a pixel of a label map has one class. The smaller instance
    lies on top: a cup is cut out of its table, and not the table out of the cup. A crowd is
    annotated as a whole and coarsely; what no single instance covers of it is ignored (255).

    Areas of classes are those of the label map, though none is made for them: instances are
    counted as run lengths. A class that smaller instances hide altogether is shown with area 0.

    Args:
        root: see `COCO_LAYOUT`.
        split: `train` or `val`, which is 2014's where both years are there (as in COCO-20i), or a
            year's own, such as `val2017`.

    Raises:
        DatasetError: on first use, when files are missing, or there are too many categories.
    """

    root: Path
    split: str

    @property
    def name(self) -> str:
        return f"coco_{self.split}"

    @cached_property
    def annotation_file(self) -> Path:
        """The instance file of the split."""
        found = sorted((self.root / "annotations").glob(f"{_PREFIX}{self.split}*.json"))
        if not found:
            raise DatasetError(
                f"no annotations: {self.root}/annotations/{_PREFIX}{self.split}*.json"
            )
        return found[0]

    @cached_property
    def _coco(self) -> COCO:
        try:
            with redirect_stdout(StringIO()):  # it prints its progress
                return COCO(str(self.annotation_file))
        except (AssertionError, KeyError, TypeError, ValueError) as exc:
            raise DatasetError(f"expected instance annotations in {self.annotation_file}") from exc

    @cached_property
    def ids(self) -> tuple[int, ...]:
        """Ids of the annotated images in sorted order."""
        return tuple(sorted(i for i in self._coco.imgs if self._coco.imgToAnns.get(i)))

    @cached_property
    def _index(self) -> dict[int, int]:
        """Category id (1-90, with gaps) → class index (1-80)."""
        if len(self._coco.cats) > MAX_CLASSES:
            raise DatasetError(
                f"{self.annotation_file}: {len(self._coco.cats)} categories, and a label map has "
                f"room for {MAX_CLASSES}"
            )
        return {c: index for index, c in enumerate(sorted(self._coco.cats), start=1)}

    @cached_property
    def class_names(self) -> dict[int, str]:
        return {index: self._coco.cats[c]["name"] for c, index in self._index.items()}

    def __len__(self) -> int:
        return len(self.ids)

    def __reduce__(self) -> tuple[type["CocoDataset"], tuple[Path, str]]:
        """Pickle the path alone: annotations would take gigabytes, so workers read the file."""
        return CocoDataset, (self.root, self.split)

    def class_areas(self, index: int) -> Mapping[int, int]:
        if index not in self._areas:
            self._areas[index] = self._visible_areas(index)
        return self._areas[index]

    @cached_property
    def _areas(self) -> dict[int, Mapping[int, int]]:
        """Cache of `class_areas`, by image."""
        return {}

    def _visible_areas(self, index: int) -> dict[int, int]:
        """Visible pixels of each class, from the topmost instance down."""
        areas = dict.fromkeys((self._index[i["category_id"]] for i in self._instances(index)), 0)
        above: Any = None  # the union of what lies above
        covered = 0
        for instance in reversed(self._painted(index)):
            if instance["iscrowd"]:
                break  # crowds lie below everything
            own = self._coco.annToRLE(instance)
            above = own if above is None else mask.merge([above, own])
            together = int(mask.area(above))
            areas[self._index[instance["category_id"]]] += together - covered
            covered = together
        return areas

    def label(self, index: int) -> NDArray[np.uint8]:
        image = self._coco.imgs[self.ids[index]]
        label = np.full((image["height"], image["width"]), BACKGROUND, np.uint8)
        for instance in self._painted(index):
            covered = self._coco.annToMask(instance) == 1
            label[covered] = IGNORE if instance["iscrowd"] else self._index[instance["category_id"]]
        return label

    def read(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        return read_pair(self.files(index)[0], self.label(index))

    def files(self, index: int) -> tuple[Path, Path]:
        folder = self.root / self.annotation_file.stem.removeprefix(_PREFIX)
        return folder / self._coco.imgs[self.ids[index]]["file_name"], self.annotation_file

    def _painted(self, index: int) -> list[dict[str, Any]]:
        """Crowds, then instances by descending area: the order of painting."""
        return sorted(self._instances(index), key=lambda i: (not i["iscrowd"], -i["area"]))

    def _instances(self, index: int) -> list[dict[str, Any]]:
        instances: list[dict[str, Any]] = self._coco.imgToAnns[self.ids[index]]
        return instances
