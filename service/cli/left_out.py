"""Paths in an image folder that are results of a command, not input images."""

from pathlib import Path


def results_in(folder: Path, out: Path) -> set[Path]:
    """What to skip in a folder of images whose results go to `out`.

    An `out` inside the folder holds results alone. One that is the folder, or a parent of it, may
    hold images too: there, only label maps are skipped.
    """
    inside = folder.resolve() in out.resolve().parents
    return {out} if inside else written_images(out)


def written_images(out: Path) -> set[Path]:
    """The folder of label maps, the only results that look like images."""
    return {out / "masks" / "labels"}
