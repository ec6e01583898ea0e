"""`classes.csv`: the class of each index in label maps."""

import csv
from collections.abc import Iterator
from pathlib import Path

from model.data.datasets.base import BACKGROUND, IGNORE, MAX_CLASSES, DatasetError

# What a row for 0 or 255 may be called, without spaces, hyphens and underscores: any other name is
# of a class, which a label map cannot hold there.
_NO_CLASS = frozenset(
    {"", "background", "bg", "border", "ignore", "ignored", "nil", "none", "nothing", "null"}
    | {"other", "others", "rest", "unknown", "unlabeled", "unlabelled", "void"}
)


def read_class_names(path: Path) -> dict[int, str]:
    """The names of classes by their indices.

    Raises:
        DatasetError: it is no such table, or a class has no name, the name or the index of another
            one, or an index at which no label map can hold a class.
    """
    try:
        # Excel writes a byte order mark.
        with path.open(newline="", encoding="utf-8-sig") as file:
            return _distinct(path, _rows(path, csv.DictReader(file, skipinitialspace=True)))
    except OSError as exc:
        raise DatasetError(f"expected {path} with columns index,name: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise DatasetError(f"{path} is no UTF-8: save it as CSV in UTF-8") from exc
    except csv.Error as exc:
        raise DatasetError(f"{path} cannot be read as CSV: {exc}") from exc


def _rows(path: Path, table: "csv.DictReader[str]") -> Iterator[tuple[int, str]]:
    """Index and name of every row that is of a class."""
    table.fieldnames = [field.strip() for field in table.fieldnames or ()]
    if not {"index", "name"} <= set(table.fieldnames):
        found = ",".join(table.fieldnames)
        raise DatasetError(f"{path} must begin with a line of columns index,name, not {found!r}")
    for row in table:
        place, name = f"{path}, line {table.line_num}", (row["name"] or "").strip()
        if any(rest.strip() for rest in row.get(None) or ()):
            raise DatasetError(f'{place}: a name with a comma needs quotes, as in 1,"valve, M5"')
        index = _index(row["index"], place)
        if index in (BACKGROUND, IGNORE):
            _require_no_class(index, name, place)
        elif name:
            yield index, name
        else:
            raise DatasetError(f"{place}: class {index} has no name")


def _index(text: str | None, place: str) -> int:
    try:
        index = int(text or "")
    except ValueError as exc:
        raise DatasetError(f"{place}: {text!r} is no index; columns index,name") from exc
    if not BACKGROUND <= index <= IGNORE:
        raise DatasetError(f"{place}: no label map holds index {index}, only 1-{MAX_CLASSES}")
    return index


def _require_no_class(index: int, name: str, place: str) -> None:
    if name.lower().translate(str.maketrans("", "", " _-")) in _NO_CLASS:
        return
    kind = "the background" if index == BACKGROUND else "ignored"
    raise DatasetError(
        f"{place}: {index} is {kind} in every label map, so {name} would be no class: give it "
        f"another index from 1 to {MAX_CLASSES}, here and in the label maps, or call this row "
        f"{'background' if index == BACKGROUND else 'void'}"
    )


def _distinct(path: Path, rows: Iterator[tuple[int, str]]) -> dict[int, str]:
    names: dict[int, str] = {}
    for index, name in rows:
        if index in names or name in names.values():
            raise DatasetError(f"{path}: {index if index in names else name} is there twice")
        names[index] = name
    return names
