"""Images and label maps, which hold the class index of every pixel."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.cli.failure import USAGE, CommandError
from service.cli.support_folder.class_table import NO_CLASS, read_class_table
from service.cli.support_folder.shot import Shot, Supports, only_one
from service.cli.wording import counted, listed
from service.schemas import is_image

LABELS = "labels"


def read_label_maps(folder: Path, table: Path) -> Supports:
    """The shots of each class, in the order of the indices; classes without any are among them.

    Raises:
        CommandError: the table or a label map cannot be read, or no class is in any.
    """
    names, images = read_class_table(table), _by_stem(folder / "images")
    maps = {path.stem: path for path in _images_of(folder / LABELS) if _is_png(path)}
    indices = {stem: _indices(maps[stem]) for stem in images if stem in maps}
    held = Counter(index for classes in indices.values() for index in np.unique(classes).tolist())
    if images and held.keys().isdisjoint(names):
        raise CommandError(_no_index_message(folder / LABELS, held), USAGE)
    shots: dict[str, list[Shot]] = {name: [] for name in names.values()}
    for index, name in names.items():
        for stem, classes in indices.items():
            mask = classes == index
            if mask.any():
                shots[name].append(Shot(only_one(images[stem]), mask))
    doubts = [*_of_unpaired(images, maps), *_of_unnamed(held, names), *_of_shotless(shots)]
    return Supports(shots, doubts, {name: index for index, name in names.items()})


def _no_index_message(labels: Path, held: Collection[int]) -> str:
    if not held:
        return f"no image has a label map {labels}/<id>.png"
    found = listed([str(index) for index in sorted(held)])
    return (
        f"no label map of {labels} holds an index of classes.csv (found: {found}); 0 is the "
        "background, and 255 is ignored"
    )


def _of_unpaired(images: Mapping[str, list[Path]], maps: Mapping[str, Path]) -> list[str]:
    alone = [each.name for stem, paths in images.items() if stem not in maps for each in paths]
    lost = [path.name for stem, path in maps.items() if stem not in images]
    told = []
    if alone:
        shown = f"{counted(len(alone), 'image')} ({listed(alone)})"
        told.append(f"not used, for want of a label map {LABELS}/<id>.png: {shown}")
    if lost:
        shown = f"{counted(len(lost), 'label map')} ({listed(lost)})"
        told.append(f"not used, for want of an image images/<id>.jpg: {shown}")
    return told


def _of_unnamed(held: Mapping[int, int], names: Collection[int]) -> list[str]:
    return [
        f"index {index} of {counted(held[index], 'label map')} is not in classes.csv: it counts as "
        "background"
        for index in sorted(held.keys() - NO_CLASS - set(names))
    ]


def _of_shotless(shots: Mapping[str, list[Shot]]) -> list[str]:
    lost = [name for name, found in shots.items() if not found]
    return [f"not looked for, since no label map holds them: {listed(lost)}"] if lost else []


def _images_of(folder: Path) -> list[Path]:
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(path for path in found if is_image(PurePath(path.name)))


def _is_png(path: Path) -> bool:
    return path.suffix.lower() == ".png"


def _by_stem(folder: Path) -> dict[str, list[Path]]:
    found: defaultdict[str, list[Path]] = defaultdict(list)
    for path in _images_of(folder):
        found[path.stem].append(path)
    return dict(found)


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
