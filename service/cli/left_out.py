"""What lies in a folder of images and is none, because a command writes its results there."""

from pathlib import Path


def results_in(folder: Path, out: Path) -> set[Path]:
    """What to leave out of a folder of images whose results go to `out`.

    An `out` inside the folder is of results alone. One that is the folder, or around it, holds
    images too: there, what is written is left out.
    """
    inside = folder.resolve() in out.resolve().parents
    return {out} if inside else written_images(out)


def written_images(out: Path) -> set[Path]:
    """Where label maps are written, of all results the only ones that look like images."""
    return {out / "masks" / "labels"}
