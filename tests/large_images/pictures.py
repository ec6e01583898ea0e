"""Labelled photographs of a set, as `data/README.md` describes it."""

import csv
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_IGNORED = 255


class Labelled(NamedTuple):
    """A picture (H, W, 3), where a class is (H, W), and where nothing is said (H, W)."""

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    ignored: NDArray[np.bool_]


class PictureSet:
    """A folder of images, label maps and `classes.csv`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def names(self) -> dict[int, str]:
        """Names of classes by index."""
        with (self._folder / "classes.csv").open() as file:
            return {int(row["index"]): row["name"] for row in csv.DictReader(file)}

    @cached_property
    def labels(self) -> dict[str, frozenset[int]]:
        """The classes of each picture, background left out."""
        paths = sorted((self._folder / "labels").glob("*.png"))
        return {
            path.stem: frozenset(np.unique(np.asarray(Image.open(path))).tolist()) - {0, _IGNORED}
            for path in paths
        }

    def holding(self, index: int) -> list[str]:
        """Pictures that hold a class."""
        return [stem for stem, held in self.labels.items() if index in held]

    def lacking(self, indices: Sequence[int]) -> list[str]:
        """Pictures that hold none of the classes."""
        return [stem for stem, held in self.labels.items() if not held.intersection(indices)]

    def read(self, stem: str, index: int) -> Labelled:
        """A picture with one of its classes."""
        image = np.asarray(Image.open(self._folder / "images" / f"{stem}.jpg").convert("RGB"))
        labels = np.asarray(Image.open(self._folder / "labels" / f"{stem}.png"))
        return Labelled(image, labels == index, labels == _IGNORED)

    def read_all(self, stems: Sequence[str], index: int) -> Iterator[Labelled]:
        """Several pictures, one at a time."""
        return (self.read(stem, index) for stem in stems)
