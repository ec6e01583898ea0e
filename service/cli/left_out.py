"""Paths in an image folder that are results of a command, not input images."""

from pathlib import Path


def results_in(folder: Path, out: Path) -> set[Path]:
    """What to leave out of a folder of images whose results go to `out`.

    An `out` inside the folder holds results alone. One that is the folder, or around it, may hold
    images too: there, only what is written is left out.
    """
    inside = folder.resolve() in out.resolve().parents
    return {out} if inside else written_images(out)


def written_images(out: Path) -> set[Path]:
    """Where label maps are written, of all results the only ones that look like images."""
    return {out / "masks" / "labels"}
