"""Rows of a benchmark as aligned text."""

from collections.abc import Iterable, Sequence


def format_table(names: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 0) -> str:
    """A line of column names, then the rows, two spaces between columns.

    Args:
        names: of the columns.
        rows: cells of each row.
        left: how many of the first columns are aligned to the left; numbers go to the right.
    """
    lines = [names, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )
