"""`python -m export.bench`: time of a query, eager PyTorch from pixels beside the served bundle.

The eager side works as the authors' code does: for every query and class it encodes the supports
again. The engine made its prototypes when the supports were registered; a query costs it one
encoding and one head run over all classes. The sides take turns, so that a slow spell of the
machine falls on both. Weights are random, since time does not depend on them.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

import numpy as np

from export.benchmarks.options import options, preset_at
from export.benchmarks.output import Difference, progress, report_disagreement, write_rows
from export.benchmarks.sides import EagerSide, EngineSide, both_sides, make_inputs
from export.benchmarks.table import format_table
from export.benchmarks.timing import timed
from model.build import NetworkConfig

# Of the largest logit: the engine keeps its prototypes in half precision.
TOLERANCE = 2e-3
# A long case repeats itself less: r50 with 25 supports takes a minute a query on two cores.
_LONG_S = 30.0
_MIN_REPEATS = 2


class Case(NamedTuple):
    """A query of the benchmark: for how many classes it asks, each with how many shots."""

    name: str
    classes: int
    shots: int


CASES = (Case("1-shot", 1, 1), Case("5-shot", 1, 5), Case("5 classes x 5 shots", 5, 5))


@dataclass(frozen=True, kw_only=True)
class Row:
    """One case's figures: milliseconds a query, medians over the repeats.

    `registration_ms` is the engine's single pass over all supports. `ratio` is eager over engine
    time, from the medians; its bounds are the smallest and the largest ratio of a repeat.
    `max_difference` is the largest difference between the logits (foreground minus background) of
    the two sides, `max_logit` the largest logit.
    """

    preset: str
    case: str
    input_side: int
    threads: int
    repeats: int
    eager_ms: float
    engine_ms: float
    registration_ms: float
    ratio: float
    ratio_min: float
    ratio_max: float
    max_difference: float
    max_logit: float


def bench_preset(config: NetworkConfig, *, repeats: int, threads: int) -> list[Row]:
    """Export a random network and time every case.

    Args:
        config: the network.
        repeats: of each case, one query on both sides each; a long case stops after two.
        threads: of torch and of onnxruntime alike.
    """
    progress(f"{config.preset}: export at {config.input_side} px")
    with both_sides(config, threads=threads) as (eager, engine):
        _warm_up(eager, engine, config.input_side)
        return [
            _bench_case(config, case, eager, engine, repeats=repeats, threads=threads)
            for case in CASES
        ]


def _warm_up(eager: EagerSide, engine: EngineSide, side: int) -> None:
    inputs = make_inputs(classes=1, shots=1, side=side)
    eager.segment(inputs)
    engine.segment(inputs.query, engine.register(inputs))


def _bench_case(
    config: NetworkConfig,
    case: Case,
    eager: EagerSide,
    engine: EngineSide,
    *,
    repeats: int,
    threads: int,
) -> Row:
    inputs = make_inputs(classes=case.classes, shots=case.shots, side=config.input_side)
    prototypes, registration_s = timed(lambda: engine.register(inputs))
    engine.segment(inputs.query, prototypes)  # onnxruntime plans its memory for new shapes
    eager_s: list[float] = []
    engine_s: list[float] = []
    difference = 0.0
    wanted = repeats
    while len(eager_s) < wanted:
        progress(f"{config.preset} {case.name}: repeat {len(eager_s) + 1} of {wanted}")
        expected, seconds = timed(lambda: eager.segment(inputs))
        eager_s.append(seconds)
        actual, seconds = timed(lambda: engine.segment(inputs.query, prototypes))
        engine_s.append(seconds)
        difference = max(difference, float(np.abs(actual - expected).max()))
        if eager_s[-1] > _LONG_S:
            wanted = min(repeats, _MIN_REPEATS)
    ratios = [slow / fast for slow, fast in zip(eager_s, engine_s, strict=True)]
    return Row(
        preset=config.preset,
        case=case.name,
        input_side=config.input_side,
        threads=threads,
        repeats=len(ratios),
        eager_ms=1000 * median(eager_s),
        engine_ms=1000 * median(engine_s),
        registration_ms=1000 * registration_s,
        ratio=median(eager_s) / median(engine_s),
        ratio_min=min(ratios),
        ratio_max=max(ratios),
        max_difference=difference,
        max_logit=float(np.abs(expected).max()),
    )


def as_table(rows: Sequence[Row]) -> str:
    """Rows as aligned text."""
    names = (
        "preset", "case", "side", "eager ms", "engine ms", "ratio", "min-max", "register ms",
        "difference",
    )  # fmt: skip
    cells = (
        (
            row.preset,
            row.case,
            str(row.input_side),
            f"{row.eager_ms:.1f}",
            f"{row.engine_ms:.1f}",
            f"{row.ratio:.1f}x",
            f"{row.ratio_min:.1f}-{row.ratio_max:.1f}",
            f"{row.registration_ms:.1f}",
            f"{row.max_difference:.1e}",
        )
        for row in rows
    )
    return format_table(names, cells, left=2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and measure; 0 on success, 1 when the sides disagree."""
    args = options("export.bench", __doc__, repeats=3).parse_args(arguments)
    rows: list[Row] = []
    for name in args.presets:
        config = preset_at(name, args.side)
        rows += bench_preset(config, repeats=args.repeats, threads=args.threads)
    print(as_table(rows))
    if args.json is not None:
        write_rows(args.json, rows)
    return report_disagreement(
        Difference(f"{row.preset} {row.case}", row.max_difference, TOLERANCE * row.max_logit)
        for row in rows
    )


if __name__ == "__main__":
    sys.exit(main())
