"""A share of another set."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.data.datasets.base import LabelledImages, class_areas, source_files

Keep = tuple[tuple[int, ...], int]
KEEP_ALL: Keep = ((0,), 1)


@dataclass(frozen=True)
class Subset:
    """The images of a set whose position, modulo `keep[1]`, is one of `keep[0]`.

    The rest stays for evaluation: two subsets with other residues share no image.
    """

    dataset: LabelledImages
    keep: Keep

    @property
    def name(self) -> str:
        """A name such as `tiles[0,1/3]`, which distinguishes subsets in caches and records."""
        residues, modulus = self.keep
        return f"{self.dataset.name}[{','.join(map(str, residues))}/{modulus}]"

    @property
    def class_names(self) -> dict[int, str]:
        return self.dataset.class_names

    @cached_property
    def positions(self) -> tuple[int, ...]:
        """Positions of the images in the whole set."""
        residues, modulus = self.keep
        return tuple(i for i in range(len(self.dataset)) if i % modulus in residues)

    def __len__(self) -> int:
        return len(self.positions)

    def label(self, index: int) -> NDArray[np.uint8]:
        return self.dataset.label(self.positions[index])

    def read(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        return self.dataset.read(self.positions[index])

    def class_areas(self, index: int) -> Mapping[int, int]:
        return class_areas(self.dataset, self.positions[index])

    def files(self, index: int) -> tuple[Path, ...]:
        return source_files(self.dataset, self.positions[index])
