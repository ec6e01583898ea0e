"""Tables and promises: what a command measured, and whether the service kept its word."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.load.tally import Cell, Tally


@dataclass
class Table:
    """Rows of the same columns."""

    title: str
    rows: Sequence[Mapping[str, Cell]]

    def text(self) -> str:
        """Aligned columns; figures to the right."""
        columns = list(self.rows[0])
        cells = [[_text(row[column]) for column in columns] for row in self.rows]
        widths = [max(map(len, each)) for each in zip(columns, *cells, strict=True)]
        right = [isinstance(self.rows[0][column], int | float) for column in columns]
        lines = [_line(line, widths, right) for line in [columns, *cells]]
        return "\n".join([self.title, *lines])


@dataclass
class Promise:
    """Something the service must do, whether it did, and the figure that tells."""

    name: str
    kept: bool
    figure: str


@dataclass
class Report:
    """What a command prints and writes."""

    command: str
    tables: list[Table] = field(default_factory=list)
    promises: list[Promise] = field(default_factory=list)

    def promise(self, name: str, kept: bool, figure: str) -> None:
        """Note one promise."""
        self.promises.append(Promise(name, kept, figure))

    def promise_content(self, name: str, tally: Tally) -> None:
        """No answer of a tally is wrong, mixed up, lost, or an error that is no refusal."""
        complaints = tally.complaints()
        figure = "; ".join([f"{tally.good} of {len(tally.outcomes)} ok", *complaints])
        kept = not complaints and tally.good > 0
        self.promise(f"{name}: nothing wrong, mixed up, failed or lost", kept, figure)

    @property
    def kept(self) -> bool:
        """Whether all promises were."""
        return all(promise.kept for promise in self.promises)

    def text(self) -> str:
        """All tables, then the promises."""
        parts = [table.text() for table in self.tables]
        if self.promises:
            rows: list[Mapping[str, Cell]] = [
                {"promise": p.name, "kept": "yes" if p.kept else "NO", "figure": p.figure}
                for p in self.promises
            ]
            parts.append(Table("promises", rows).text())
        return "\n\n".join(parts)

    def write(self, path: Path) -> None:
        """As JSON, with the CPUs this process may use."""
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {"cpus": len(os.sched_getaffinity(0)), "kept": self.kept, **asdict(self)}
        path.write_text(json.dumps(content, indent=1) + "\n")


def _text(cell: Cell) -> str:
    return f"{cell:g}" if isinstance(cell, float) else str(cell)


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    aligned = (
        cell.rjust(width) if to_right else cell.ljust(width)
        for cell, width, to_right in zip(cells, widths, right, strict=True)
    )
    return "  ".join(aligned).rstrip()
