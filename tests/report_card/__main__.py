"""`python -m tests.report_card --data DIR`: how well report cards catch corrupted shots.

Draws 100 classes of the real sets, corrupts a shot of each in three ways, and prints what is
flagged on classes that the weights were not fitted on, and what calibrated thresholds gain.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from model.data.datasets.base import DatasetError
from model.runtime import BundleRuntime
from service.sessions.judging.score import SCORE_FILE
from service.settings import SHIPPED_BUNDLE
from tests.report_card.examples import Bench, draw_classes
from tests.report_card.figures import (
    collect,
    fit,
    flag_figures,
    inversion_figures,
    threshold_figures,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; 2 when the sets are not there."""
    args = _parser().parse_args(arguments)
    try:
        drawn = draw_classes(args.data, args.classes)
    except DatasetError as exc:
        print(f"report card not measured: {exc}", file=sys.stderr)
        return 2
    runtime = BundleRuntime(args.bundle, intra_op_threads=args.threads)
    bench = Bench(runtime).rows(drawn)
    rows = list(track(bench, total=len(drawn), description="classes", disable=args.quiet))
    examples = collect(rows)
    if args.fit:
        SCORE_FILE.write_text(json.dumps(fit(examples), indent=1) + "\n")
    flags = flag_figures(examples, json.loads(SCORE_FILE.read_text()))
    inverted = inversion_figures(rows)
    gains = threshold_figures(rows, runtime.manifest.threshold)
    _print("Flagged shots, %", flags)
    _print("Classes told to be inverted, %", inverted)
    _print("mIoU of queries, %", gains)
    args.json.parent.mkdir(parents=True, exist_ok=True)
    figures = {"flags": flags, "inverted": inverted, "thresholds": gains}
    args.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.report_card", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--bundle", type=Path, default=SHIPPED_BUNDLE, help="to judge with")
    parser.add_argument("--classes", type=int, default=100, help="to draw")
    parser.add_argument("--threads", type=int, default=2, help="of the graphs")
    parser.add_argument("--json", type=Path, default=Path("out/report-card.json"), help="to write")
    parser.add_argument("--fit", action="store_true", help="fit the weights again, and keep them")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    return parser


def _print(title: str, rows: Sequence[dict[str, Any]]) -> None:
    table = Table(title=title)
    for name in rows[0]:
        table.add_column(name)
    for row in rows:
        table.add_row(*(_text(value) for value in row.values()))
    Console(width=160).print(table)


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{100 * value:.1f}" if value <= 1 else f"{value:.1f}"
    return str(value)


if __name__ == "__main__":
    sys.exit(main())
