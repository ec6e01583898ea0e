"""What the benchmarks say while they run, and the rows they write."""

import json
import sys
from collections.abc import Iterable, Sequence
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


def report_disagreement(differences: Iterable[tuple[str, float]], tolerance: float) -> int:
    """Print where the two sides of a benchmark are not one function.

    Args:
        differences: what was compared, and by how much its logits differ.
        tolerance: below which they are the same.

    Returns:
        The exit status: 1 if there is such a place, else 0.
    """
    wrong = [(what, found) for what, found in differences if not found < tolerance]
    for what, found in wrong:
        progress(f"{what}: logits differ by {found:.2g}, allowed {tolerance:g}")
    return 1 if wrong else 0
