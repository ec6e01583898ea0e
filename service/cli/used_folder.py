"""Checks that a folder with earlier results numbers its classes in the same way."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import IO

from service.cli.failure import USAGE, CommandError
from service.formats import export_dataset
from service.schemas import Format

_NUMBERED: tuple[Format, ...] = ("png", "yolo")
"""Formats with a file for each image, and one that maps numbers to classes."""


def require_same_classes(out: Path, classes: Sequence[str], formats: Collection[Format]) -> None:
    """Fail unless the classes of earlier results keep their numbers; more may follow them.

    Raises:
        CommandError: a number would mean another class.
    """
    tables = _Tables()
    export_dataset((), classes, [each for each in _NUMBERED if each in formats], tables)
    for path, table in tables.files.items():
        there = out / path
        if there.is_file() and not table.startswith(there.read_bytes()):
            raise CommandError(
                f"{there} numbers other classes than the session: choose another --out", USAGE
            )


class _Tables:
    """The files of a dataset without images."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def write(self, path: str, data: bytes) -> None:
        self.files[path] = data

    def copy(self, path: str, source: IO[bytes]) -> None:
        self.files[path] = source.read()
