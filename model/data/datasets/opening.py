"""Opens a set, whatever format its folder has."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from model.data.datasets.base import DatasetError, LabelledImages
from model.data.datasets.coco import COCO_LAYOUT, CocoDataset
from model.data.datasets.folder import FOLDER_LAYOUT, FolderDataset
from model.data.datasets.fss import FSS_LAYOUT, FssDataset
from model.data.datasets.pascal import PASCAL_LAYOUT, VOC_FOLDER, PascalDataset


class _Format(NamedTuple):
    """A format: its files, how to recognise it, and its reader of a folder and a split."""

    layout: str
    recognise: Callable[[Path], bool]
    read: Callable[[Path, str], LabelledImages]


_SPLIT_FORMATS = {
    "PASCAL-5i": _Format(PASCAL_LAYOUT, lambda root: (root / VOC_FOLDER).is_dir(), PascalDataset),
    "COCO-20i": _Format(COCO_LAYOUT, lambda root: (root / "annotations").is_dir(), CocoDataset),
    "FSS-1000": _Format(FSS_LAYOUT, lambda root: any(root.glob("*/1.jpg")), FssDataset),
}


def open_dataset(spec: str | Path, *, split: str = "val") -> LabelledImages:
    """The set in a folder.

    Args:
        spec: the folder, or FOLDER@SPLIT for another split than `split`. A folder in the project's
            own format has one split and takes none.
        split: default split of formats that have several.

    Raises:
        DatasetError: no such folder, or of no known format; the message lists what is expected.
            Missing files of a recognised format raise on first use.
    """
    folder, chosen = _parse(str(spec))
    if (folder / "images").is_dir():
        if chosen:
            raise DatasetError(f"{folder} is one split: leave out @{chosen}")
        return FolderDataset(folder)
    for known in _SPLIT_FORMATS.values():
        if known.recognise(folder):
            return known.read(folder, chosen or split)
    raise DatasetError(_expectations(folder))


def _parse(spec: str) -> tuple[Path, str]:
    """Folder and split; a folder may have an @ in its name."""
    folder, _, split = spec.rpartition("@")
    splits = folder and Path(folder).is_dir() and not Path(spec).exists()
    return (Path(folder), split) if splits else (Path(spec), "")


def _expectations(folder: Path) -> str:
    layouts = {"own format": FOLDER_LAYOUT, **{n: f.layout for n, f in _SPLIT_FORMATS.items()}}
    listed = "".join(f"\n  {name}: {layout}" for name, layout in layouts.items())
    problem = "holds no set" if folder.is_dir() else "is not there"
    return f"{folder} {problem}; expected one of these in it:{listed}"
