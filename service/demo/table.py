"""How well a class was found, and the table that says so."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_HEADER = ("image", "class", "IoU", "ms", "")


class Row(NamedTuple):
    """One class in one image; `iou` is None where the class is absent from it."""

    image: str
    class_name: str
    iou: float | None
    painted: float  # share of the picture that was marked
    milliseconds: float


def iou(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float | None:
    """Intersection over union of two masks (H, W); None where there is nothing to find."""
    if not truth.any():
        return None
    return float((predicted & truth).sum() / (predicted | truth).sum())


def format_table(rows: Sequence[Row]) -> str:
    """Aligned text, a line for each row, and a line with the means."""
    cells = [_HEADER, *(_cells(row) for row in rows), _mean_cells(rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEADER))]
    lines = [_aligned(line, widths) for line in cells]
    rule = "-" * max(map(len, lines))
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def _cells(row: Row) -> tuple[str, ...]:
    score = "-" if row.iou is None else f"{row.iou:.3f}"
    note = f"absent, {row.painted:.1%} painted" if row.iou is None else ""
    return (row.image, row.class_name, score, f"{row.milliseconds:.0f}", note)


def _mean_cells(rows: Sequence[Row]) -> tuple[str, ...]:
    scores = [row.iou for row in rows if row.iou is not None]
    score = f"{np.mean(scores):.3f}" if scores else "-"
    milliseconds = np.mean([row.milliseconds for row in rows])
    return ("mean", "", score, f"{milliseconds:.0f}", "")


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    """Names to the left, numbers to the right, as `_HEADER` has them."""
    image, name, score, milliseconds, note = line
    left = f"{image:<{widths[0]}}  {name:<{widths[1]}}"
    return f"{left}  {score:>{widths[2]}}  {milliseconds:>{widths[3]}}  {note}".rstrip()
