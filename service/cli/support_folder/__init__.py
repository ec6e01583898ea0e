"""Supports from a folder: images beside their masks, or images and label maps in two folders.

<id>.jpg, <id>.<class>.png                                     one mask a class
images/<id>.jpg, labels/<id>.png, classes.csv (index,name)     class index of every pixel
"""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from service.cli.failure import USAGE, CommandError
from service.cli.support_folder.beside import masks_beside, read_beside
from service.cli.support_folder.label_maps import LABELS, read_label_maps
from service.cli.support_folder.shot import Shot, Supports
from service.cli.wording import listed

__all__ = ["Shot", "Supports", "masks_in", "read_supports"]

_TABLE = "classes.csv"


def read_supports(folder: Path) -> Supports:
    """The shots of each class, in the order of names, or of the indices of `classes.csv`.

    Raises:
        CommandError: the folder holds none, or cannot be read.
    """
    if not folder.is_dir():
        raise CommandError(f"{folder} is no folder", USAGE)
    table = folder / _TABLE
    supports = read_label_maps(folder, table) if table.exists() else read_beside(folder)
    if not any(supports.shots.values()):
        raise CommandError(
            f"{folder} holds no supports: an image a.jpg and the mask of a class, a.CLASS.png; "
            "or images/, labels/ and classes.csv",
            USAGE,
        )
    return supports._replace(doubts=[*supports.doubts, *_alike(supports.shots)])


def masks_in(folder: Path) -> list[Path]:
    """Paths in a support folder that hold masks: files, or the folder of label maps."""
    return [folder / LABELS] if (folder / _TABLE).exists() else masks_beside(folder)


def _alike(names: Iterable[str]) -> list[str]:
    """What is to be told of classes that may be meant to be one."""
    spellings: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        spellings[name.casefold()].append(name)
    return [
        f"{listed(each)} are classes of their own: they differ in capital letters alone"
        for each in spellings.values()
        if len(each) > 1
    ]
