"""Sets in the project's own format."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.data.datasets.base import DatasetError, is_displayed_at, read_label_map, read_pair
from model.data.datasets.class_names import read_class_names

# Those of `service.schemas`, which this room does not import; a test compares them.
IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff"}
)

FOLDER_LAYOUT = "images/<id>.jpg, labels/<id>.png and classes.csv"


@dataclass(frozen=True)
class FolderDataset:
    """`images/<id>.jpg`, `labels/<id>.png` and `classes.csv` (index,name) under one folder.

    An image may have any of `IMAGE_SUFFIXES`, in either case. It is read as it is displayed, after
    its EXIF orientation, and its label map is of that size. Folders inside are part of the id:
    `images/a/1.jpg` has `labels/a/1.png`. Hidden files and folders are skipped.

    Args:
        root: the folder.

    Raises:
        DatasetError: on first use, when files are missing, two images have one id, a label map has
            another size than its image, or `read_class_names` refuses the classes.
    """

    root: Path

    @property
    def name(self) -> str:
        return self.root.resolve().name

    @cached_property
    def _images(self) -> dict[str, Path]:
        """Image files by their ids."""
        found: dict[str, Path] = {}
        folder = self.root / "images"
        for path in sorted(folder.rglob("*")):
            inside = path.relative_to(folder)
            hidden = any(part.startswith(".") for part in inside.parts)
            if hidden or path.suffix.lower() not in IMAGE_SUFFIXES or path.is_dir():
                continue
            image_id = inside.with_suffix("").as_posix()
            if image_id in found:
                raise DatasetError(
                    f"{found[image_id]} and {path.name} have one id, and one label map"
                )
            found[image_id] = path
        if not found:
            raise DatasetError(f"no images: {self.root}/images/<id>.jpg")
        return found

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Image ids in sorted order."""
        return tuple(sorted(self._images))

    @cached_property
    def class_names(self) -> dict[int, str]:
        return read_class_names(self.root / "classes.csv")

    def __len__(self) -> int:
        return len(self.ids)

    def label(self, index: int) -> NDArray[np.uint8]:
        image_path, label_path = self.files(index)
        label = read_label_map(label_path)
        # Told here, since label maps are read before anything is computed of their images.
        if not is_displayed_at(image_path, label.shape):
            raise DatasetError(f"label map and image differ in size: {image_path}")
        return label

    def read(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        return read_pair(self.files(index)[0], self.label(index), as_displayed=True)

    def files(self, index: int) -> tuple[Path, Path]:
        image_id = self.ids[index]
        return self._images[image_id], self.root / "labels" / f"{image_id}.png"
