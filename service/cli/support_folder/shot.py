"""What a folder of supports holds."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.cli.failure import USAGE, CommandError
from service.cli.wording import listed
from service.image_files import ImageLike, MaskLike


class Shot(NamedTuple):
    """An image and where the class is in it: a file, or (H, W)."""

    image: Path
    mask: Path | NDArray[np.bool_]


class Supports(NamedTuple):
    """The shots of each class, and what is likely a mistake, a sentence each.

    `indices` are those of `classes.csv`, which may name classes that have no shots, too.
    """

    shots: dict[str, list[Shot]]
    doubts: list[str]
    indices: dict[str, int]

    def files(self) -> dict[str, tuple[list[ImageLike], list[MaskLike]]]:
        """The images and the masks of each class."""
        return {
            name: ([shot.image for shot in shots], [shot.mask for shot in shots])
            for name, shots in self.shots.items()
        }

    def renumbered(self, classes: Iterable[str]) -> list[str]:
        """What is to be told of results that number these classes otherwise than `classes.csv`."""
        others = [
            f"{name} is {number}, not {self.indices[name]}"
            for number, name in enumerate(classes, start=1)
            if self.indices.get(name, number) != number
        ]
        return [f"results have other numbers than classes.csv: {listed(others)}"] if others else []


def only_one(images: list[Path]) -> Path:
    """The image that a mask or label map is of.

    Raises:
        CommandError: there are several of one stem.
    """
    if len(images) > 1:
        raise CommandError(f"two images are called {images[0].with_suffix('')}", USAGE)
    return images[0]
