"""Sets of labelled images: folders in the project's format, and procedural defects."""

import csv
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.data.procedural import DEFECT_CLASSES, render_defect

BACKGROUND, IGNORE = 0, 255


class DatasetError(ValueError):
    """A set is missing or malformed; the message names the expected files."""


class LabelledImages(Protocol):
    """A set: RGB images with label maps of class indices (0 background, 255 ignore)."""

    @property
    def name(self) -> str: ...

    @property
    def class_names(self) -> dict[int, str]: ...

    def __len__(self) -> int: ...

    def label(self, index: int) -> NDArray[np.uint8]:
        """Label map (H, W)."""
        ...

    def read(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Image (H, W, 3) and its label map (H, W)."""
        ...


@dataclass(frozen=True)
class FolderDataset:
    """`images/<id>.jpg`, `labels/<id>.png` and `classes.csv` (index,name) under one folder.

    Args:
        root: the folder.
        keep: of the sorted image ids, every `keep[1]`-th from `keep[0]` on; (0, 1) keeps all.

    Raises:
        DatasetError: on first use, when files are missing.
    """

    root: Path
    keep: tuple[tuple[int, ...], int] = ((0,), 1)

    @property
    def name(self) -> str:
        return self.root.name

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Image ids in sorted order."""
        found = sorted(path.stem for path in (self.root / "images").glob("*.jpg"))
        if not found:
            raise DatasetError(f"no images: {self.root}/images/<id>.jpg")
        residues, modulus = self.keep
        return tuple(stem for i, stem in enumerate(found) if i % modulus in residues)

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
        path = self.root / "labels" / f"{self.ids[index]}.png"
        try:
            with Image.open(path) as image:
                return np.asarray(image, dtype=np.uint8)
        except OSError as exc:
            raise DatasetError(f"expected a label map at {path}") from exc

    def read(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        path = self.root / "images" / f"{self.ids[index]}.jpg"
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"), dtype=np.uint8)
        label = self.label(index)
        if label.shape != pixels.shape[:2]:
            raise DatasetError(f"label map and image differ in size: {path}")
        return pixels, label


@dataclass(frozen=True)
class ProceduralDefects:
    """Rendered surface defects, `per_class` images of each class, the same for the same seed."""

    per_class: int
    side: int
    seed: int = 0
    name: str = "procedural_defects"
    class_names: dict[int, str] = field(
        default_factory=lambda: {i + 1: name for i, name in enumerate(DEFECT_CLASSES)}
    )

    def __len__(self) -> int:
        return self.per_class * len(DEFECT_CLASSES)

    def label(self, index: int) -> NDArray[np.uint8]:
        return self.read(index)[1]

    def read(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        class_index = index % len(DEFECT_CLASSES)
        rng = np.random.default_rng((self.seed, index))
        pixels, mask = render_defect(class_index, rng, self.side)
        return pixels, np.where(mask > 0, class_index + 1, BACKGROUND).astype(np.uint8)
