"""What a folder of supports holds."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.cli.failure import USAGE, CommandError
from service.image_files import ImageLike, MaskLike


class Shot(NamedTuple):
    """An image and where the class is in it: a file, or (H, W)."""

    image: Path
    mask: Path | NDArray[np.bool_]


class Supports(NamedTuple):
    """The shots of each class, and what is likely a mistake, a sentence each."""

    shots: dict[str, list[Shot]]
    doubts: list[str]

    def files(self) -> dict[str, tuple[list[ImageLike], list[MaskLike]]]:
        """The images and the masks of each class."""
        return {
            name: ([shot.image for shot in shots], [shot.mask for shot in shots])
            for name, shots in self.shots.items()
        }


def only_one(images: list[Path]) -> Path:
    """The image that a mask or label map is of.

    Raises:
        CommandError: there are several of one stem.
    """
    if len(images) > 1:
        raise CommandError(f"two images are called {images[0].with_suffix('')}", USAGE)
    return images[0]
