"""Measure mIoU, presence or whole label maps of a checkpoint, a bundle or the baseline."""

import argparse
import os
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import get_args

from model.build import CheckpointError, PretrainedWeightsError
from model.cli.paths import weights_beside
from model.cli.types import integers, numbers, positive
from model.contract import InvalidBundleError, Precision
from model.data.datasets import DatasetError, LabelledImages, open_dataset
from model.data.episodes import MIN_AREA
from model.data.folds import FoldScheme
from model.evaluation.absence import USUAL_ABSENT
from model.evaluation.plan import Mode, Plan, PlannedRun
from model.evaluation.records import Evaluation, Protocol, Result, write_evaluation
from model.evaluation.segmenter import DEFAULT_THRESHOLD
from model.evaluation.summary import summary
from model.output_paths import file_to_write
from model.runtime import Adapt
from model.subject import (
    NEAREST_PROTOTYPE,
    Opened,
    SubjectError,
    open_baseline,
    open_bundle,
    open_checkpoint,
)

_ADAPT: dict[str, Adapt] = {"never": False, "always": True, "auto": "auto"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--checkpoint", type=Path, help="evaluate the eager network")
    what.add_argument("--bundle", type=Path, help="evaluate an exported bundle")
    what.add_argument(
        "--baseline",
        choices=[NEAREST_PROTOTYPE],
        help="evaluate what needs no training, on MobileNetV2's ImageNet features",
    )
    parser.add_argument(
        "--weights",
        type=Path,
        help="folder of the baseline's weights; default: weights beside the folder of the sets",
    )
    parser.add_argument("--name", help="row of the results page; default: bundle or run folder")
    parser.add_argument("--data", type=Path, required=True, help="folder of one set")
    parser.add_argument("--folds", type=integers, help="such as 0,1; none: every class")
    parser.add_argument(
        "--fold-scheme",
        choices=get_args(FoldScheme),
        default="pascal",
        help="PASCAL-5i, or COCO-20i with every fourth class or with twenty in a row",
    )
    parser.add_argument("--shots", type=integers, default=(1,), help="such as 1,5,10")
    parser.add_argument("--seeds", type=integers, default=(0,), help="of the lists: 0,1,2")
    parser.add_argument("--episodes", type=int, default=1000, help="of each list")
    parser.add_argument("--min-area", type=positive, default=MIN_AREA, help="pixels of a class")
    parser.add_argument(
        "--threshold", type=float, help=f"default: the manifest's, or {DEFAULT_THRESHOLD}"
    )
    parser.add_argument(
        "--labels",
        choices=("original", "scaled"),
        default="original",
        help="compare at the images' own size, or at the network's input side (the paper's †)",
    )
    parser.add_argument(
        "--scales",
        type=numbers,
        default=(1.0,),
        help="average over input sides, such as 0.8,1.0,1.2 (checkpoint only)",
    )
    parser.add_argument("--flip", action="store_true", help="average over the mirrored query too")
    parser.add_argument(
        "--adapt",
        nargs="?",
        const="always",
        default="never",
        choices=["never", "always", "auto"],
        help="refit the head to the supports (bundle only); auto: as far as that helps on them",
    )
    parser.add_argument(
        "--precision",
        choices=get_args(Precision),
        default="fp32",
        help="tier of the bundle; default fp32",
    )
    parser.add_argument("--input-side", type=positive, help="another side (no bundle)")
    parser.add_argument("--device", default="cpu", help="such as cuda (no bundle)")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        "--absent", type=float, help="share of queries that lack the class: judge presence"
    )
    mode.add_argument(
        "--generalised",
        action="store_true",
        help="label whole images with base and novel classes; --episodes counts images",
    )
    parser.add_argument("--json", type=Path, help="record the evaluation here, list by list")


def main(args: argparse.Namespace) -> int:
    """Run every list, record it as it ends, print the figures; returns the exit status."""
    try:
        evaluation = _evaluate(args)
    except (
        CheckpointError,
        PretrainedWeightsError,
        InvalidBundleError,
        DatasetError,
        ValueError,
        OSError,
    ) as exc:
        print(exc, file=sys.stderr)
        return 2
    print(summary(evaluation))
    return 0


def _evaluate(args: argparse.Namespace) -> Evaluation:
    if args.json:
        file_to_write(args.json)
    opened = _open(args)
    dataset = open_dataset(args.data)
    plan = _plan(args, opened)
    run = PlannedRun(
        plan,
        opened.segmenter(flip=args.flip, label_side=plan.label_side),
        opened.subject,
        dataset,
        progress=True,
    )
    evaluation = Evaluation(
        command=_command(args.words),
        subject=opened.subject,
        protocol=_protocol(args, plan, dataset),
        results=(),
    )
    results: list[Result] = []
    for result in run.results():
        results.append(result)
        evaluation = evaluation.model_copy(update={"results": tuple(results)})
        if args.json:
            write_evaluation(args.json, evaluation)
    return evaluation


def _open(args: argparse.Namespace) -> Opened:
    if args.weights is not None and not args.baseline:
        raise SubjectError(
            "other subjects have weights of their own: --weights goes with --baseline"
        )
    near_views = args.absent is not None  # nothing else looks at presence
    if args.bundle:
        opener = partial(
            open_bundle,
            near_views=near_views,
            adapt=_ADAPT[args.adapt],
            threshold=args.threshold,
            precision=args.precision,
        )
        path = args.bundle
    elif args.precision != "fp32":
        raise SubjectError("tiers belong to what is served: --precision goes with --bundle")
    elif args.adapt != "never":
        raise SubjectError("adaptation belongs to what is served: --adapt goes with --bundle")
    elif args.baseline:
        opener = partial(open_baseline)
        path = args.weights or weights_beside(args.data / "..")
    else:
        opener, path = partial(open_checkpoint, near_views=near_views), args.checkpoint
    return opener(
        path,
        name=args.name,
        scales=args.scales,
        input_side=args.input_side,
        device=args.device,
    )


def _plan(args: argparse.Namespace, opened: Opened) -> Plan:
    return Plan(
        mode=_mode(args),
        folds=args.folds or (None,),
        shots=args.shots,
        seeds=args.seeds,
        episodes=args.episodes,
        min_area=args.min_area,
        threshold=opened.threshold if args.threshold is None else args.threshold,
        label_side=opened.subject.input_side if args.labels == "scaled" else None,
        absent=USUAL_ABSENT if args.absent is None else args.absent,
        presence_threshold=opened.presence_threshold,
        scheme=args.fold_scheme,
    )


def _mode(args: argparse.Namespace) -> Mode:
    if args.generalised:
        return "generalised"
    return "episodes" if args.absent is None else "absence"


def _protocol(args: argparse.Namespace, plan: Plan, dataset: LabelledImages) -> Protocol:
    return Protocol(
        data=dataset.name,
        images=len(dataset),
        episodes=plan.episodes,
        min_area=plan.min_area,
        labels=args.labels,
        scales=args.scales,
        flip=args.flip,
        adapted=_ADAPT[args.adapt],
        threshold=plan.threshold,
        scheme=plan.scheme,
        absent=plan.absent if plan.mode == "absence" else None,
    )


def _command(words: list[str]) -> str:
    """The command to repeat the evaluation, with paths relative to the working directory."""
    return "python -m model " + shlex.join(map(_relative, words))


def _relative(word: str) -> str:
    """A word with its path, if it is one or `--option=` and one, from the working directory."""
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    return option + equals + (os.path.relpath(value) if Path(value).is_absolute() else value)
