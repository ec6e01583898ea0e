"""Make the results page of what `evaluate --json` recorded."""

import argparse
import shlex
import sys
from pathlib import Path

from model.evaluation.page import results_page
from model.evaluation.records import RecordError, read_evaluations
from model.output_paths import OutputError, file_to_write


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "--from",
        dest="source",
        type=Path,
        required=True,
        help="folder of what `evaluate --json` recorded",
    )
    parser.add_argument("--out", type=Path, required=True, help="the page, such as docs/RESULTS.md")


def main(args: argparse.Namespace) -> int:
    """Write the page; returns the exit status."""
    words = ["--from", args.source.as_posix(), "--out", args.out.as_posix()]
    try:
        file_to_write(args.out)
        evaluations = read_evaluations(args.source)
        page = results_page(evaluations, f"python -m model results {shlex.join(words)}")
        args.out.write_text(page, encoding="utf-8")
    except (RecordError, OutputError, OSError) as exc:
        print(exc, file=sys.stderr)
        return 2
    print(f"{args.out}: {len(evaluations)} evaluations")
    return 0
