"""Progress messages of the benchmarks, and the rows they write."""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def progress(message: str) -> None:
    """A line on standard error, so that the table alone is on standard output."""
    print(message, file=sys.stderr, flush=True)


def write_rows(path: Path, rows: "Sequence[DataclassInstance]") -> None:
    """Write dataclasses as a JSON list."""
    values = [asdict(row) for row in rows]
    path.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


class Difference(NamedTuple):
    """By how much the logits of two sides differ, and how much is allowed."""

    what: str
    found: float
    allowed: float


def report_disagreement(differences: Iterable[Difference]) -> int:
    """Print where the two sides differ too much; returns the exit status, 1 if there is any."""
    wrong = [each for each in differences if not each.found < each.allowed]
    for what, found, allowed in wrong:
        progress(f"{what}: logits differ by {found:.2g}, allowed {allowed:.2g}")
    return 1 if wrong else 0
