"""`python -m export.bench`: time of a query, eager PyTorch from pixels beside the served bundle.

The eager side works as the authors' code does: for every query and class it encodes the supports
again. The engine made its prototypes when the supports were registered; a query costs it one
encoding and one head run over all classes. The cached side is eager PyTorch cut in the same way,
with its classes laid out beforehand, so what the engine gains on it is not the cut's. The sides
take turns, so that a slow spell of the machine falls on all. Weights are random, since time does
not depend on them.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

import numpy as np

from export.benchmarks.options import options, presets_at
from export.benchmarks.output import Difference, progress, report_disagreement, write_rows
from export.benchmarks.sides import Float, Sides, all_sides, make_inputs
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
    `cached_ratio` is cached over engine time. `max_difference` is the largest difference between
    the logits (foreground minus background) of the sides, `max_logit` the largest logit.
    """

    preset: str
    case: str
    input_side: int
    threads: int
    repeats: int
    eager_ms: float
    cached_ms: float
    engine_ms: float
    registration_ms: float
    ratio: float
    ratio_min: float
    ratio_max: float
    cached_ratio: float
    max_difference: float
    max_logit: float


def bench_preset(config: NetworkConfig, *, repeats: int, threads: int) -> list[Row]:
    """Export a random network and time every case.

    Args:
        config: the network.
        repeats: of each case, one query on every side each; a long case stops after two.
        threads: of torch and of onnxruntime alike.
    """
    progress(f"{config.preset}: export at {config.input_side} px")
    with all_sides(config, threads=threads) as sides:
        sides.engine.register(make_inputs(classes=1, shots=1, side=config.input_side))  # warm
        return [
            _bench_case(config, case, sides, repeats=repeats, threads=threads) for case in CASES
        ]


def _bench_case(
    config: NetworkConfig, case: Case, sides: Sides, *, repeats: int, threads: int
) -> Row:
    inputs = make_inputs(classes=case.classes, shots=case.shots, side=config.input_side)
    prototypes, registration_s = timed(lambda: sides.engine.register(inputs))
    class_tensors = sides.cached.lay_out(prototypes)
    rows = [0] * case.classes
    runs: dict[str, Callable[[], Float]] = {
        "eager": lambda: sides.eager.segment(inputs),
        "cached": lambda: sides.cached.segment(inputs.query[None], rows, class_tensors),
        "engine": lambda: sides.engine.segment(inputs.query, prototypes),
    }
    progress(f"{config.preset} {case.name}: warm up")
    for run in runs.values():  # each plans its memory for new shapes
        run()
    found: dict[str, list[float]] = {name: [] for name in runs}
    difference = np.float32(0)
    wanted = repeats
    while len(found["eager"]) < wanted:
        progress(f"{config.preset} {case.name}: repeat {len(found['eager']) + 1} of {wanted}")
        answers = {}
        for name, run in runs.items():
            answers[name], seconds = timed(run)
            found[name].append(seconds)
        expected = answers.pop("eager")
        for actual in answers.values():
            # Unlike `max`, this keeps a NaN, which then fails the command.
            difference = np.maximum(difference, np.abs(actual - expected).max())
        if found["eager"][-1] > _LONG_S:
            wanted = min(repeats, _MIN_REPEATS)
    eager_s, cached_s, engine_s = found.values()
    ratios = [slow / fast for slow, fast in zip(eager_s, engine_s, strict=True)]
    return Row(
        preset=config.preset,
        case=case.name,
        input_side=config.input_side,
        threads=threads,
        repeats=len(ratios),
        eager_ms=1000 * median(eager_s),
        cached_ms=1000 * median(cached_s),
        engine_ms=1000 * median(engine_s),
        registration_ms=1000 * registration_s,
        ratio=median(eager_s) / median(engine_s),
        ratio_min=min(ratios),
        ratio_max=max(ratios),
        cached_ratio=median(cached_s) / median(engine_s),
        max_difference=float(difference),
        max_logit=float(np.abs(expected).max()),
    )


def as_table(rows: Sequence[Row]) -> str:
    """Rows as aligned text."""
    names = (
        "preset", "case", "side", "eager ms", "cached ms", "engine ms", "ratio", "min-max",
        "to cached", "register ms", "difference",
    )  # fmt: skip
    cells = (
        (
            row.preset,
            row.case,
            str(row.input_side),
            f"{row.eager_ms:.1f}",
            f"{row.cached_ms:.1f}",
            f"{row.engine_ms:.1f}",
            f"{row.ratio:.1f}x",
            f"{row.ratio_min:.1f}-{row.ratio_max:.1f}",
            f"{row.cached_ratio:.1f}x",
            f"{row.registration_ms:.1f}",
            f"{row.max_difference:.1e}",
        )
        for row in rows
    )
    return format_table(names, cells, left=2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and measure; 1 when the sides disagree, 2 on bad input."""
    args = options("export.bench", __doc__, repeats=3).parse_args(arguments)
    rows: list[Row] = []
    for config in presets_at(args.presets, args.side):
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
