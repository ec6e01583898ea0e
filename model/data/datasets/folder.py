"""Sets in the project's own format."""

import csv
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.data.datasets.base import (
    BACKGROUND,
    IGNORE,
    MAX_CLASSES,
    DatasetError,
    read_label_map,
    read_pair,
)

# Those of `service.schemas`, which this room does not import; a test compares them.
IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff"}
)

FOLDER_LAYOUT = "images/<id>.jpg, labels/<id>.png and classes.csv"


@dataclass(frozen=True)
class FolderDataset:
    """`images/<id>.jpg`, `labels/<id>.png` and `classes.csv` (index,name) under one folder.

    An image may have any of `IMAGE_SUFFIXES`, in either case. It is read as it is displayed, after
    its EXIF orientation, and its label map is of that size. Hidden files are skipped.

    Args:
        root: the folder.

    Raises:
        DatasetError: on first use, when files are missing, two images have one id, or classes have
            no name, the same one, the same index, or an index that no label map can hold.
    """

    root: Path

    @property
    def name(self) -> str:
        return self.root.name

    @cached_property
    def _images(self) -> dict[str, Path]:
        """Image files by their ids."""
        found: dict[str, Path] = {}
        for path in sorted((self.root / "images").glob("[!.]*")):
            if path.suffix.lower() not in IMAGE_SUFFIXES:
                continue
            if path.stem in found:
                raise DatasetError(
                    f"{found[path.stem]} and {path.name} have one id, and one label map"
                )
            found[path.stem] = path
        if not found:
            raise DatasetError(f"no images: {self.root}/images/<id>.jpg")
        return found

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Image ids in sorted order."""
        return tuple(sorted(self._images))

    @cached_property
    def class_names(self) -> dict[int, str]:
        path = self.root / "classes.csv"
        try:
            # Excel writes a byte order mark.
            with path.open(newline="", encoding="utf-8-sig") as file:
                rows = [(int(row["index"]), row["name"]) for row in csv.DictReader(file)]
        except (OSError, KeyError, TypeError, ValueError, csv.Error) as exc:
            raise DatasetError(f"expected {path} with columns index,name") from exc
        named = [(index, name) for index, name in rows if index not in (BACKGROUND, IGNORE)]
        for index, name in named:
            if not 0 < index <= MAX_CLASSES:
                raise DatasetError(
                    f"{path}: no label map holds index {index}, only 1-{MAX_CLASSES}"
                )
            if not name:
                raise DatasetError(f"{path}: class {index} has no name")
        counts = Counter[int | str](part for row in named for part in row)
        twice = [part for part, count in counts.items() if count > 1]
        if twice:
            raise DatasetError(f"{path}: {twice[0]} is there twice")
        return dict(named)

    def __len__(self) -> int:
        return len(self.ids)

    def label(self, index: int) -> NDArray[np.uint8]:
        return read_label_map(self.files(index)[1])

    def read(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        return read_pair(self.files(index)[0], self.label(index), as_displayed=True)

    def files(self, index: int) -> tuple[Path, Path]:
        image_id = self.ids[index]
        return self._images[image_id], self.root / "labels" / f"{image_id}.png"
