"""Train and compare networks without SAAM, SDPM, the prior or the teachers."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from model.build import CheckpointError, PretrainedWeightsError
from model.cli.paths import weights_beside
from model.cli.signals import INTERRUPTED, interrupted_by_sigterm, stop_on_signals
from model.cli.types import integers, positive, seeds
from model.data.datasets import DatasetError
from model.data.episodes import MIN_AREA
from model.experiments.ablation import RowResult, Trial, run_ablation
from model.experiments.ablation_table import as_json, markdown
from model.experiments.variants import AblationError, Comparison, Variant, comparisons
from model.output_paths import OutputError, folder_to_write
from model.subject import SubjectError
from model.training import ConfigError, DivergedError, load_config, use_deterministic_mkl_sums

_ERRORS = (
    AblationError,
    CheckpointError,
    ConfigError,
    DatasetError,
    DivergedError,
    OutputError,
    PretrainedWeightsError,
    SubjectError,
    OSError,
)
TABLE_FILE, FIGURES_FILE = "ablation.md", "ablation.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--config", type=Path, required=True, help="recipe; its first stage trains")
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--out", type=Path, default=Path("out/ablation"), help="folder to write")
    parser.add_argument(
        "--weights", type=Path, help="starting weights; default: weights beside DATA"
    )
    parser.add_argument("--cache", type=Path, help="feature cache; default OUT/cache")
    parser.add_argument("--steps", type=positive, default=2000, help="of every row (2000)")
    parser.add_argument("--seeds", type=seeds, default=(0, 1, 2), help="of training (0,1,2)")
    parser.add_argument("--rows", type=_names, help="only these rows, by name; default all")
    parser.add_argument("--shots", type=int, default=5, help="of integral against separate (5)")
    parser.add_argument("--test", default="pascal5i_val", help="set to judge on (pascal5i_val)")
    parser.add_argument("--episodes", type=positive, default=1000, help="of the test list (1000)")
    parser.add_argument(
        "--min-area", type=positive, default=MIN_AREA, help="pixels of a test class"
    )
    parser.add_argument(
        "--folds",
        type=integers,
        help="such as 0,1,2,3: each is left out of a training of its own and judged; "
        "default: the recipe's alone",
    )
    parser.add_argument("--input-side", type=positive, help="judge at another side, such as 473")
    parser.add_argument("--device", default="cpu", help="to judge on, such as cuda (cpu)")


def main(args: argparse.Namespace) -> int:
    """Train, judge and write the table; SIGINT and SIGTERM leave the finished rows in it.

    A row that trains gets a checkpoint first; one that is prepared or judged is left at once.
    """
    use_deterministic_mkl_sums()
    try:
        groups = comparisons(args.shots)
        variants = _chosen(groups, args.rows)
        folder_to_write(args.out)
        with interrupted_by_sigterm():
            results = run_ablation(_trial(args), variants, args.seeds, stop_on_signals)
    except _ERRORS as exc:
        print(exc, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped before the first row", file=sys.stderr)
        return INTERRUPTED
    table = _write(args, groups, results)
    print(table)
    missing = len(variants) * len(args.seeds) * len(args.folds or (None,)) - len(results)
    if missing:
        print(f"stopped with {missing} rows to go: the same command goes on", file=sys.stderr)
    return 1 if missing else 0


def _names(text: str) -> list[str]:
    return text.split(",")


def _chosen(groups: tuple[Comparison, ...], names: list[str] | None) -> list[Variant]:
    """The named variants, or all, each once."""
    every = {variant.name: variant for group in groups for variant in group.rows}
    unknown = set(names or ()) - set(every)
    if unknown:
        raise AblationError(f"no row {', '.join(sorted(unknown))}: there are {', '.join(every)}")
    return list(every.values()) if names is None else [every[name] for name in names]


def _trial(args: argparse.Namespace) -> Trial:
    return Trial(
        base=load_config(args.config),
        steps=args.steps,
        data_root=args.data,
        weights_dir=args.weights or weights_beside(args.data),
        cache_dir=args.cache or args.out / "cache",
        out=args.out,
        test_set=args.test,
        episodes=args.episodes,
        min_area=args.min_area,
        folds=args.folds,
        input_side=args.input_side,
        device=args.device,
    )


def _judging(args: argparse.Namespace) -> str:
    """What departs from judging the recipe's fold at the recipe's side."""
    side = "" if args.input_side is None else f" at {args.input_side} px"
    if args.folds is None:
        return side
    return f"{side}; folds {', '.join(map(str, args.folds))}, each left out of its own training"


def _write(
    args: argparse.Namespace, groups: tuple[Comparison, ...], results: list[RowResult]
) -> str:
    """The table as Markdown, which is returned, and all figures as JSON."""
    about = (
        f"{args.config.name}: every row trains the first stage for {args.steps} steps and is "
        f"judged on the same {args.episodes} episodes of {args.test}{_judging(args)}; "
        f"seeds {', '.join(map(str, args.seeds))}."
    )
    table = markdown(groups, results, about)
    figures = {
        "about": about,
        "comparisons": as_json(groups, results),
        "results": [asdict(result) for result in results],
    }
    (args.out / TABLE_FILE).write_text(table, encoding="utf-8")
    (args.out / FIGURES_FILE).write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return table
