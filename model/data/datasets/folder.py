"""Sets in the project's own format."""

import csv
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.data.datasets.base import BACKGROUND, IGNORE, DatasetError, read_label_map, read_pair

FOLDER_LAYOUT = "images/<id>.jpg, labels/<id>.png and classes.csv"


@dataclass(frozen=True)
class FolderDataset:
    """`images/<id>.jpg`, `labels/<id>.png` and `classes.csv` (index,name) under one folder.

    Args:
        root: the folder.

    Raises:
        DatasetError: on first use, when files are missing.
    """

    root: Path

    @property
    def name(self) -> str:
        return self.root.name

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Image ids in sorted order."""
        found = sorted(path.stem for path in (self.root / "images").glob("*.jpg"))
        if not found:
            raise DatasetError(f"no images: {self.root}/images/<id>.jpg")
        return tuple(found)

    @cached_property
    def class_names(self) -> dict[int, str]:
        path = self.root / "classes.csv"
        try:
            with path.open(newline="", encoding="utf-8") as file:
                rows = {int(row["index"]): row["name"] for row in csv.DictReader(file)}
        except (OSError, KeyError, ValueError) as exc:
            raise DatasetError(f"expected {path} with columns index,name") from exc
        return {index: name for index, name in rows.items() if index not in (BACKGROUND, IGNORE)}

    def __len__(self) -> int:
        return len(self.ids)

    def label(self, index: int) -> NDArray[np.uint8]:
        return read_label_map(self.root / "labels" / f"{self.ids[index]}.png")

    def read(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        return read_pair(self.root / "images" / f"{self.ids[index]}.jpg", self.label(index))
