"""Supports from a folder: images beside their masks, or images and label maps in two folders.

<id>.jpg, <id>.<class>.png                                     one mask a class
images/<id>.jpg, labels/<id>.png, classes.csv (index,name)     class index of every pixel
"""

import csv
from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.cli.class_names import class_name
from service.cli.failure import USAGE, CommandError
from service.client import ImageLike, MaskLike
from service.schemas import IMAGE_SUFFIXES

_IGNORED = 255
_PNG = {".png"}
_TABLE = "classes.csv"
_MAPS = "labels"


class Shot(NamedTuple):
    """An image and where the class is in it: a file, or (H, W)."""

    image: Path
    mask: Path | NDArray[np.bool_]


def read_supports(folder: Path) -> dict[str, list[Shot]]:
    """The shots of each class, in the order of names, or of `classes.csv`.

    Raises:
        CommandError: the folder holds none, or cannot be read.
    """
    if not folder.is_dir():
        raise CommandError(f"{folder} is no folder", USAGE)
    table = folder / _TABLE
    shots = _labelled(folder, _names(table)) if table.exists() else _beside(folder)
    supports: dict[str, list[Shot]] = {}
    for name, shot in shots:
        supports.setdefault(name, []).append(shot)
    if not supports:
        raise CommandError(
            f"{folder} holds no supports: an image a.jpg and the mask of a class, a.CLASS.png; "
            "or images/, labels/ and classes.csv",
            USAGE,
        )
    return supports


def read_shots(folder: Path) -> dict[str, tuple[list[ImageLike], list[MaskLike]]]:
    """As `read_supports`: the images and the masks of each class."""
    return {
        name: ([shot.image for shot in shots], [shot.mask for shot in shots])
        for name, shots in read_supports(folder).items()
    }


def masks_in(folder: Path) -> list[Path]:
    """Paths in a support folder that hold masks: files, or the folder of label maps."""
    if (folder / _TABLE).exists():
        return [folder / _MAPS]
    return [shot.mask for _, shot in _beside(folder) if isinstance(shot.mask, Path)]


def _beside(folder: Path) -> Iterator[tuple[str, Shot]]:
    images: defaultdict[str, list[Path]] = defaultdict(list)
    masks: dict[Path, str] = {}  # and the stem of the image
    # Short stems first: beside a.jpg, a.v1.png is a mask, so a.v1.2.png is no mask of that.
    for path in sorted(_files(folder, IMAGE_SUFFIXES), key=lambda each: len(each.stem)):
        stem = _image_stem(path, images)
        if stem is None:
            images[path.stem].append(path)
        else:
            masks[path] = stem
    _require_masked(images, set(masks.values()))
    found = []
    for mask, stem in sorted(masks.items()):
        name = mask.stem.removeprefix(f"{stem}.")
        found.append((class_name(name), Shot(_only(images[stem]), mask)))
    yield from sorted(found, key=lambda each: each[0])


def _image_stem(path: Path, images: Collection[str]) -> str | None:
    """The longest stem of an image that a file may be a mask of, by its name."""
    stem, dot, _ = path.stem.rpartition(".")
    while dot and path.suffix.lower() in _PNG:
        if stem in images:
            return stem
        stem, dot, _ = stem.rpartition(".")
    return None


def _require_masked(images: dict[str, list[Path]], masked: Collection[str]) -> None:
    """Raise `CommandError` for a PNG that is named as a mask, but is of no image."""
    for stem in sorted(images.keys() - masked):
        for path in images[stem]:
            if "." in stem and path.suffix.lower() in _PNG:
                raise CommandError(
                    f"{path} is the mask of no image: none is called {stem.rpartition('.')[0]}. "
                    f"If it is an image itself, its mask {stem}.CLASS.png is missing",
                    USAGE,
                )


def _labelled(folder: Path, names: dict[int, str]) -> Iterator[tuple[str, Shot]]:
    images = _by_stem(_files(folder / "images", IMAGE_SUFFIXES))
    labels = {path.stem: path for path in _files(folder / _MAPS, _PNG)}
    pairs = {_only(images[stem]): _indices(labels[stem]) for stem in images if stem in labels}
    for index, name in names.items():
        for image, classes in pairs.items():
            mask = classes == index
            if mask.any():
                yield name, Shot(image, mask)


def _by_stem(paths: list[Path]) -> dict[str, list[Path]]:
    found: defaultdict[str, list[Path]] = defaultdict(list)
    for path in paths:
        found[path.stem].append(path)
    return found


def _only(images: list[Path]) -> Path:
    """The image that a mask or label map is of."""
    if len(images) > 1:
        raise CommandError(f"two images are called {images[0].with_suffix('')}", USAGE)
    return images[0]


def _files(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """Files of some kinds, in the order of their names, but for hidden ones.

    macOS lays `._a.jpg` beside `a.jpg` on disks of other systems.
    """
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(
        path for path in found if path.suffix.lower() in suffixes and not path.name.startswith(".")
    )


def _names(table: Path) -> dict[int, str]:
    try:
        # Excel writes a byte order mark.
        with table.open(newline="", encoding="utf-8-sig") as lines:
            names = {int(row["index"]): row["name"] for row in csv.DictReader(lines)}
    except (KeyError, TypeError, ValueError) as exc:
        raise CommandError(f"{table} must have the columns index,name", USAGE) from exc
    if None in names.values():
        raise CommandError(f"{table} has a line without a name", USAGE)
    wanted = {index: name for index, name in names.items() if index not in {0, _IGNORED}}
    return {index: class_name(name) for index, name in wanted.items()}


def _indices(path: Path) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as image:
            if image.mode not in {"L", "P", "1"}:
                raise CommandError(f"{path} is no label map: one class index a pixel", USAGE)
            return np.asarray(image, np.uint8)
    except OSError as exc:
        raise CommandError(f"{path} cannot be read as a PNG", USAGE) from exc
    except Image.DecompressionBombError as exc:
        raise CommandError(f"{path} has more pixels than a label map may have", USAGE) from exc
