"""Train a network by a recipe, or continue such a run."""

import argparse
import sys
from pathlib import Path

from model.build import CheckpointError, PretrainedWeightsError
from model.cli.paths import weights_beside
from model.cli.signals import INTERRUPTED, interrupted_by_sigterm, stop_on_signals
from model.data.datasets import DatasetError
from model.output_paths import OutputError, folder_to_write
from model.training import (
    ConfigError,
    DeviceError,
    DistributedContext,
    DivergedError,
    Run,
    has_checkpoint,
    join_processes,
    load_config,
    use_deterministic_mkl_sums,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--config", type=Path, required=True, help="YAML recipe")
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--out", type=Path, required=True, help="folder of log and checkpoint")
    parser.add_argument(
        "--weights", type=Path, help="starting weights; default: weights beside DATA"
    )
    parser.add_argument("--cache", type=Path, help="feature cache; default OUT/cache")
    parser.add_argument("--fold", type=int, help="leave out this fold instead of the recipe's")
    parser.add_argument(
        "--minutes",
        type=float,
        help="end after so many minutes of training, with the schedule scaled to them",
    )
    parser.add_argument(
        "--device",
        default="auto",
        help="auto (CUDA where there is some), cpu, cuda or cuda:N; default auto",
    )
    parser.add_argument(
        "--compile",
        action="store_true",
        help="compile the pass through a backbone that neither trains nor is cached; "
        "needs a C++ compiler",
    )
    parser.add_argument("--resume", action="store_true", help="continue where the run stopped")


def main(args: argparse.Namespace) -> int:
    """Train; SIGINT and SIGTERM stop behind the current step with a checkpoint.

    While the data is prepared they stop at once, with status 130; a run that diverges ends with
    status 1. Processes that `torchrun` starts train one network together.
    """
    if has_checkpoint(args.out) and not args.resume:
        print(f"{args.out} holds a run already: --resume, or another --out", file=sys.stderr)
        return 2
    if args.minutes is not None and not args.minutes > 0:
        print("--minutes must be above 0", file=sys.stderr)
        return 2
    use_deterministic_mkl_sums()
    try:
        folder_to_write(args.out)
        with interrupted_by_sigterm(), join_processes(args.device) as context:
            run = _start(args, context)
            if context.is_rank_zero:
                _tell_start(run)
            with stop_on_signals() as stopped:
                run.train(stopped)
    except (
        ConfigError,
        DeviceError,
        DatasetError,
        PretrainedWeightsError,
        CheckpointError,
        OutputError,
        OSError,
    ) as exc:
        print(exc, file=sys.stderr)
        return 2
    except DivergedError as exc:
        print(exc, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped before the first step", file=sys.stderr)
        return INTERRUPTED
    if context.is_rank_zero:
        print(
            f"step {run.step}, {run.minutes:.1f} minutes, "
            f"{run.wait_share:.1%} of them waiting for data, {args.out}"
        )
    return 0


def _tell_start(run: Run) -> None:
    """What the run begins with: weights from bundles, and the classes of each set."""
    if run.started:
        given = len(tuple(run.network.parameters()))
        bundles = ", ".join(str(bundle) for bundle in run.config.start)
        print(f"{len(run.started)} of {given} tensors start from {bundles}")
    print(*run.prepared.surveys, sep="\n", flush=True)


def _start(args: argparse.Namespace, context: DistributedContext) -> Run:
    config = load_config(args.config)
    run = Run(
        config if args.fold is None else config.for_fold(args.fold),
        out=args.out,
        data_root=args.data,
        weights_dir=args.weights or weights_beside(args.data),
        cache_dir=args.cache or args.out / "cache",
        budget_minutes=args.minutes,
        context=context,
        compiled=args.compile,
    )
    if args.resume and has_checkpoint(args.out):
        run.resume()
    return run
