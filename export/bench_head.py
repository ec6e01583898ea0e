"""`python -m export.bench_head`: one head run for several classes, beside one run for each.

All classes of a request run as one batch over one encoded image, and what does not depend on the
class is computed once. Weights are random, since time does not depend on them; `--bundle` times
those that are there, in several precisions if they have them.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import get_args

import numpy as np

from export.benchmarks.options import options, presets_at
from export.benchmarks.output import progress, write_rows
from export.benchmarks.sides import EngineSide, make_inputs, random_bundle
from export.benchmarks.table import format_table
from export.benchmarks.timing import time_alternately
from model.cli.types import positive
from model.contract import InvalidBundleError, MissingTierError, Precision, SupportSet
from model.runtime import BundleRuntime, HeadOutput


@dataclass(frozen=True, kw_only=True)
class HeadRow:
    """Median milliseconds of the head; `share` is `together_ms` divided by `apart_ms`."""

    bundle: str
    precision: Precision
    classes: int
    shots: int
    input_side: int
    threads: int
    repeats: int
    together_ms: float
    apart_ms: float
    share: float


def bench_head(
    bundle: Path,
    *,
    classes: int,
    shots: int,
    repeats: int,
    threads: int,
    precision: Precision = "fp32",
) -> HeadRow:
    """Time the head of a bundle both ways over one encoded image.

    Raises:
        model.contract.InvalidBundleError: the directory is not an intact bundle.
        model.contract.MissingTierError: it lacks the tier.
    """
    runtime = BundleRuntime(bundle, precision=precision, intra_op_threads=threads)
    side = runtime.manifest.input_side
    inputs = make_inputs(classes=classes, shots=shots, side=side)
    registered = EngineSide(runtime).register(inputs)
    encoded = runtime.encode(inputs.query[None])

    def ask(asked: Sequence[SupportSet]) -> HeadOutput:
        return runtime.head(encoded, np.zeros(len(asked), np.int64), asked)

    together, apart = time_alternately(
        lambda: ask(registered), lambda: [ask([each]) for each in registered], repeats
    )
    return HeadRow(
        bundle=runtime.manifest.name,
        precision=precision,
        classes=classes,
        shots=shots,
        input_side=side,
        threads=threads,
        repeats=repeats,
        together_ms=1000 * median(together),
        apart_ms=1000 * median(apart),
        share=median(together) / median(apart),
    )


def as_table(rows: Sequence[HeadRow]) -> str:
    """Rows as aligned text."""
    names = ("bundle", "precision", "side", "classes", "shots", "together ms", "apart ms", "share")
    cells = (
        (
            row.bundle,
            row.precision,
            str(row.input_side),
            str(row.classes),
            str(row.shots),
            f"{row.together_ms:.1f}",
            f"{row.apart_ms:.1f}",
            f"{row.share:.2f}",
        )
        for row in rows
    )
    return format_table(names, cells, left=2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and measure; 0 on success, 2 on bad input."""
    parser = options("export.bench_head", __doc__, repeats=9)
    parser.add_argument(
        "--bundle", type=Path, nargs="+", help="time these instead of random presets"
    )
    parser.add_argument(
        "--precision",
        nargs="+",
        choices=get_args(Precision),
        default=["fp32"],
        help="with --bundle",
    )
    parser.add_argument("--classes", type=positive, default=5)
    parser.add_argument("--shots", type=positive, default=1)
    args = parser.parse_args(arguments)
    if args.bundle is None and args.precision != ["fp32"]:
        parser.error("--precision goes with --bundle: random networks have fp32 alone")
    try:
        rows = _rows(args)
    except (InvalidBundleError, MissingTierError) as exc:
        progress(str(exc))
        return 2
    print(as_table(rows))
    if args.json is not None:
        write_rows(args.json, rows)
    return 0


def _rows(args: argparse.Namespace) -> list[HeadRow]:
    asked = {name: getattr(args, name) for name in ("classes", "shots", "repeats", "threads")}
    if args.bundle is not None:
        return [
            bench_head(bundle, precision=precision, **asked)
            for bundle in args.bundle
            for precision in args.precision
        ]
    rows: list[HeadRow] = []
    for config in presets_at(args.presets, args.side):
        progress(f"{config.preset}: export at {config.input_side} px")
        with random_bundle(config) as (_, bundle):
            rows.append(bench_head(bundle, **asked))
    return rows


if __name__ == "__main__":
    sys.exit(main())
