"""What the benchmarks say while they run, and the rows they write."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def progress(message: str) -> None:
    """A line on standard error, so that the table alone is on standard output."""
    print(message, file=sys.stderr, flush=True)


def write_rows(path: Path, rows: "Sequence[DataclassInstance]") -> None:
    """Write rows, which are dataclasses, as a JSON list; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = [asdict(row) for row in rows]
    path.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
