"""What `fss label` tells on standard error."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from service.cli.failure import CommandError
from service.cli.wording import counted, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from service.offline import ImageFile, Ledger, Supports


def note(*texts: str) -> None:
    """Tell each, on a line of its own."""
    for text in texts:
        print(text, file=sys.stderr)


def say_shots(supports: "Supports") -> None:
    """Tell how many shots there are of each class."""
    note(*(f"{name}: {counted(len(images), 'shot')}" for name, (images, _) in supports.items()))


def say_what_is_there(ledger: "Ledger", images: "list[ImageFile]") -> None:
    """Tell how much of an earlier run is used again."""
    if ledger.changed:
        changed = ", ".join(ledger.changed)
        note(f"the earlier run differs in {changed}: all images are labelled again")
    finished = sum(ledger.has(image) for image in images)
    if finished:
        note(f"{finished} of {len(images)} images are done already")
    again = sum(ledger.knows(image) and not ledger.has(image) for image in images)
    if again:
        note(f"{again} that changed, or failed before, are labelled again")


def say_kept(files: "Sequence[str]") -> None:
    """Tell which files of the results are not those of this run."""
    if files:
        shown = f"{counted(len(files), 'file')} ({listed(files)})"
        note(f"changed since a run wrote them, and left so: {shown}; delete one to have it anew")


def sum_up(ledger: "Ledger", images: "list[ImageFile]", sheet: Path) -> None:
    """Say where the results are; fail if some images have none."""
    failed = [image.name for image in images if not ledger.has(image)]
    note(f"{counted(len(images) - len(failed), 'image')} labelled; look through {sheet}")
    if failed:
        lines = [f"{each}: {ledger.entry(each).error}" for each in failed]
        raise CommandError("\n".join([*lines, f"{len(failed)} of {len(images)} failed"]))
