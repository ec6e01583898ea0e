"""`classes.csv`: the class of each index in label maps."""

import csv
from pathlib import Path

from service.cli.class_names import class_name
from service.cli.failure import USAGE, CommandError
from service.schemas import MAX_CLASSES

NO_CLASS = frozenset({0, 255})
"""Indices that mark no class: the background, and what training ignores."""


def read_class_table(table: Path) -> dict[int, str]:
    """The names of classes by their indices, in the order of these.

    Raises:
        CommandError: it is no such table, or names a class or an index twice.
    """
    try:
        # Excel writes a byte order mark.
        with table.open(newline="", encoding="utf-8-sig") as lines:
            return _names(table, csv.DictReader(lines))
    except UnicodeDecodeError as exc:
        raise CommandError(f"{table} is no UTF-8: save it as CSV in UTF-8", USAGE) from exc
    except csv.Error as exc:
        raise CommandError(f"{table} cannot be read as CSV: {exc}", USAGE) from exc


def _names(table: Path, rows: "csv.DictReader[str]") -> dict[int, str]:
    header = rows.fieldnames or ()
    if not {"index", "name"} <= set(header):
        found = ",".join(header)
        raise CommandError(f"{table} must begin with the line index,name, not {found!r}", USAGE)
    names: dict[int, str] = {}
    for row in rows:
        place = f"{table}, line {rows.line_num}"
        index = _index(row["index"], place)
        if index in NO_CLASS:
            continue
        if not row["name"]:
            raise CommandError(f"{place}: class {index} has no name", USAGE)
        name = class_name(row["name"])
        if index in names or name in names.values():
            twice = f"index {index}" if index in names else name
            raise CommandError(f"{place}: {twice} is there twice", USAGE)
        names[index] = name
    return dict(sorted(names.items()))


def _index(text: str | None, place: str) -> int:
    try:
        index = int(text or "")
    except ValueError as exc:
        raise CommandError(f"{place}: {text!r} is no index of a class", USAGE) from exc
    if not (0 < index <= MAX_CLASSES or index in NO_CLASS):
        raise CommandError(f"{place}: no label map holds {index}, only 1-{MAX_CLASSES}", USAGE)
    return index
