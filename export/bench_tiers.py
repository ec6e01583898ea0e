"""`python -m export.bench_tiers`: time of a query, the int8 engine beside the fp32 engine.

One class of one shot, prototypes ready. The tiers take turns, so that a slow spell of the machine
falls on both. Weights are random and ranges come from rendered images, since time depends on
neither; what int8 costs in accuracy stands in a bundle's manifest. `--bundle` times one that has
an int8 tier.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from export.benchmarks.options import options, presets_at
from export.benchmarks.output import progress, write_rows
from export.benchmarks.sides import EngineSide, make_inputs, random_bundle
from export.benchmarks.table import format_table
from export.benchmarks.timing import time_alternately
from export.rendered import rendered_defects
from export.tiers.build import write_tiers
from model.contract import InvalidBundleError, MissingTierError, Precision
from model.runtime import BundleRuntime
from model.runtime.precision import multiplies_bytes

_RENDERED_PER_CLASS = 2
_CALIBRATION_EPISODES = 3


@dataclass(frozen=True, kw_only=True)
class TierRow:
    """Milliseconds of one part of a query, medians; bounds of the ratio are those of single runs.

    `query` is encoder and head together, with the prototypes laid out again.
    """

    bundle: str
    part: str
    input_side: int
    threads: int
    repeats: int
    fp32_ms: float
    int8_ms: float
    ratio: float
    ratio_min: float
    ratio_max: float


class _Engine(NamedTuple):
    encode: Callable[[], object]
    head: Callable[[], object]
    query: Callable[[], object]


def bench_tiers(bundle: Path, *, repeats: int, threads: int) -> list[TierRow]:
    """Time both tiers of a bundle.

    Args:
        bundle: with an int8 tier.
        repeats: of each part and tier.
        threads: of onnxruntime.

    Raises:
        model.contract.MissingTierError: there is no int8 tier.
    """
    fp32, int8 = (_engine(bundle, each, threads) for each in ("fp32", "int8"))
    manifest = BundleRuntime(bundle).manifest
    rows = []
    for part in _Engine._fields:
        progress(f"{manifest.name}: {part}")
        slow, fast = time_alternately(getattr(fp32, part), getattr(int8, part), repeats)
        ratios = [a / b for a, b in zip(slow, fast, strict=True)]
        rows.append(
            TierRow(
                bundle=manifest.name,
                part=part,
                input_side=manifest.input_side,
                threads=threads,
                repeats=repeats,
                fp32_ms=1000 * median(slow),
                int8_ms=1000 * median(fast),
                ratio=median(slow) / median(fast),
                ratio_min=min(ratios),
                ratio_max=max(ratios),
            )
        )
    return rows


def _engine(bundle: Path, precision: Precision, threads: int) -> _Engine:
    runtime = BundleRuntime(bundle, precision=precision, intra_op_threads=threads)
    side = EngineSide(runtime)
    inputs = make_inputs(classes=1, shots=1, side=runtime.manifest.input_side)
    classes = side.register(inputs)
    encoded = runtime.encode(inputs.query[None])
    return _Engine(
        encode=lambda: runtime.encode(inputs.query[None]),
        head=lambda: runtime.head(encoded, np.zeros(1, np.int64), classes),
        query=lambda: side.segment(inputs.query, classes),
    )


def as_table(rows: Sequence[TierRow]) -> str:
    """Rows as aligned text."""
    names = ("bundle", "part", "side", "fp32 ms", "int8 ms", "ratio", "min-max")
    cells = (
        (
            row.bundle,
            row.part,
            str(row.input_side),
            f"{row.fp32_ms:.1f}",
            f"{row.int8_ms:.1f}",
            f"{row.ratio:.1f}x",
            f"{row.ratio_min:.1f}-{row.ratio_max:.1f}",
        )
        for row in rows
    )
    return format_table(names, cells, left=2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and measure; 0 on success, 2 on bad input."""
    parser = options("export.bench_tiers", __doc__, repeats=9)
    parser.add_argument("--bundle", type=Path, help="time this one instead of random presets")
    args = parser.parse_args(arguments)
    if not multiplies_bytes():
        progress("this CPU has no VNNI or AMX instructions: int8 is not expected to be faster")
    try:
        rows = _rows(args)
    except (InvalidBundleError, MissingTierError) as exc:
        progress(str(exc))
        return 2
    print(as_table(rows))
    if args.json is not None:
        write_rows(args.json, rows)
    return 0


def _rows(args: argparse.Namespace) -> list[TierRow]:
    if args.bundle is not None:
        return bench_tiers(args.bundle, repeats=args.repeats, threads=args.threads)
    rows: list[TierRow] = []
    for config in presets_at(args.presets, args.side):
        progress(f"{config.preset}: export and quantise at {config.input_side} px")
        with random_bundle(config) as (_, bundle):
            rendered = rendered_defects(per_class=_RENDERED_PER_CLASS, side=config.input_side)
            write_tiers(bundle, ("int8",), rendered, episodes=_CALIBRATION_EPISODES, min_area=1)
            rows += bench_tiers(bundle, repeats=args.repeats, threads=args.threads)
    return rows


if __name__ == "__main__":
    sys.exit(main())
