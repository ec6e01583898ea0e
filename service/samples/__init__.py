"""The rendered sample images of demo, playground and docs: supports, queries, and their masks."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SAMPLES = Path(__file__).resolve().parent
CLASSES = ("duck", "pit")


def image_path(folder: Path, name: str) -> Path:
    """Where the image `name` lies."""
    return folder / f"{name}.jpg"


def mask_path(folder: Path, name: str, class_name: str) -> Path:
    """Where the mask of a class in an image lies; no file where the class is absent."""
    return folder / f"{name}.{class_name}.png"


def sample_files() -> list[Path]:
    """Every image and mask."""
    return sorted(path for path in SAMPLES.iterdir() if path.suffix in {".jpg", ".png"})


@dataclass(frozen=True)
class Sample:
    """An image by name; its files are read when asked for."""

    folder: Path
    name: str

    def jpeg(self) -> bytes:
        """The file of the image."""
        return image_path(self.folder, self.name).read_bytes()

    def pixels(self) -> NDArray[np.uint8]:
        """The image (H, W, 3), RGB."""
        with Image.open(image_path(self.folder, self.name)) as image:
            return np.asarray(image.convert("RGB"))

    def mask_png(self, class_name: str) -> bytes:
        """The file of a class's mask."""
        return mask_path(self.folder, self.name, class_name).read_bytes()

    def mask(self, class_name: str) -> NDArray[np.bool_]:
        """Where the class is (H, W); nowhere if it is absent."""
        path = mask_path(self.folder, self.name, class_name)
        if not path.exists():
            return np.zeros(self.pixels().shape[:2], np.bool_)
        with Image.open(path) as image:
            return np.asarray(image) > 0


def supports(class_name: str, folder: Path = SAMPLES) -> list[Sample]:
    """The images that define a class."""
    return _matching(folder, f"support_{class_name}_*.jpg")


def queries(folder: Path = SAMPLES) -> list[Sample]:
    """The images to find classes in."""
    return _matching(folder, "query_*.jpg")


def _matching(folder: Path, pattern: str) -> list[Sample]:
    found = [Sample(folder, path.stem) for path in sorted(folder.glob(pattern))]
    if not found:
        raise FileNotFoundError(f"there is no sample {pattern} in {folder}")
    return found
