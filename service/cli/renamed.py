"""Tells of files of a dataset that are not called like their images."""

import sys
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from service.cli.wording import listed

if TYPE_CHECKING:
    from service.schemas import Format


def note_renamed(stems: Mapping[str, str], formats: "Collection[Format]") -> None:
    """Say on standard error which images tools will not find the labels of by their names.

    Args:
        stems: of images whose files are called otherwise; see `export_dataset`.
        formats: that were written; the others name the image in the file.
    """
    if not stems or {"png", "yolo"}.isdisjoint(formats):
        return
    shown = listed([f"{stem} of {name}" for name, stem in stems.items()])
    print(
        f"labels of png and yolo that are not called like their images: {len(stems)} ({shown}). "
        "Training tools look for labels by the names of images: rename those, and run again",
        file=sys.stderr,
    )
