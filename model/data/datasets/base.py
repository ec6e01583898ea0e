"""The interface of a set of labelled images, and readers of its files."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from PIL.ExifTags import Base

BACKGROUND, IGNORE = 0, 255
MAX_CLASSES = IGNORE - 1  # that a label map of bytes can hold
_ON_ITS_SIDE = range(5, 9)  # values of EXIF's orientation
_WIDE_MODES = ("I", "F")  # and `I;16`: more than 8 bits, which Pillow clips


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


@runtime_checkable
class KnownAreas(Protocol):
    """A set that knows the classes of an image without making its label map."""

    def class_areas(self, index: int) -> Mapping[int, int]:
        """See the function `class_areas`."""
        ...


@runtime_checkable
class FromFiles(Protocol):
    """A set that is read from files."""

    def files(self, index: int) -> tuple[Path, ...]:
        """The files of an image and its label map."""
        ...


def source_files(dataset: LabelledImages, index: int) -> tuple[Path, ...]:
    """The files that an image and its label map are read from; none of a set that is rendered."""
    return dataset.files(index) if isinstance(dataset, FromFiles) else ()


def class_areas(dataset: LabelledImages, index: int) -> Mapping[int, int]:
    """Class index → pixels of it in an image, at the image's own size.

    Holds only classes that the image shows; one whose pixels are all ignored has area 0. Without
    `KnownAreas`, the pixels of the label map are counted.
    """
    if isinstance(dataset, KnownAreas):
        return dataset.class_areas(index)
    counts = np.bincount(dataset.label(index).ravel(), minlength=256)
    return {int(c): int(counts[c]) for c in np.nonzero(counts)[0] if c not in (BACKGROUND, IGNORE)}


def read_image(path: Path, *, as_displayed: bool = False) -> NDArray[np.uint8]:
    """RGB (H, W, 3) of an image file: as it is stored, or after its EXIF orientation.

    Raises:
        DatasetError: missing, damaged, too large for Pillow, or grey of more than 8 bits.
    """
    with _opened(path, "an image") as image:
        if as_displayed:
            ImageOps.exif_transpose(image, in_place=True)
        return np.asarray(image.convert("RGB"), dtype=np.uint8)


def is_displayed_at(path: Path, size: tuple[int, ...]) -> bool:
    """Whether an image file has this height and width after its EXIF orientation.

    Raises:
        DatasetError: as of `read_image`; damage behind the header is not noticed.
    """
    with _opened(path, "an image") as image:
        turned = "exif" in image.info and image.getexif().get(Base.Orientation) in _ON_ITS_SIDE
        if (image.size if turned else image.size[::-1]) == size:
            return True
        # Decoded to be sure: a PNG may have its EXIF behind the pixels.
        ImageOps.exif_transpose(image, in_place=True)
        return image.size[::-1] == size


def read_label_map(path: Path) -> NDArray[np.uint8]:
    """Class indices (H, W) of a palette or grey PNG.

    Raises:
        DatasetError: missing, damaged, too large for Pillow, of more than 8 bits, or in colours.
    """
    with _opened(path, "a label map") as image:
        label = np.asarray(image, dtype=np.uint8)
    if label.ndim != 2:
        raise DatasetError(f"expected class indices (a palette or grey PNG), not colours: {path}")
    return label


@contextmanager
def _opened(path: Path, expected: str) -> Iterator[Image.Image]:
    """An image file of at most 8 bits a channel; what Pillow raises for a bad one becomes ours."""
    try:
        with Image.open(path) as image:
            if image.mode.startswith(_WIDE_MODES):
                raise DatasetError(f"expected 8 bits a channel, not {image.mode}: {path}")
            yield image
    except (DatasetError, MemoryError):
        raise
    except Exception as exc:  # Pillow raises many kinds for a damaged file
        raise DatasetError(f"expected {expected} at {path}: {exc}") from exc


def read_pair(
    image_path: Path, label: NDArray[np.uint8], *, as_displayed: bool = False
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """An image file, see `read_image`, beside its label map.

    Raises:
        DatasetError: the image cannot be read, or is of another size than the label map.
    """
    pixels = read_image(image_path, as_displayed=as_displayed)
    if label.shape != pixels.shape[:2]:
        raise DatasetError(f"label map and image differ in size: {image_path}")
    return pixels, label


def read_lines(path: Path) -> tuple[str, ...]:
    """The words of a list file, one a line.

    Raises:
        DatasetError: missing.
    """
    try:
        return tuple(path.read_text(encoding="utf-8").split())
    except OSError as exc:
        raise DatasetError(f"expected a list at {path}") from exc
