"""`python -m model evaluate`."""

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from model.build import CheckpointError, load_network
from model.contract import InvalidBundleError
from model.data.datasets import DatasetError, open_dataset
from model.data.episodes import MIN_AREA, index_classes
from model.data.folds import fold_classes
from model.evaluation import Segmenter, evaluate_episodes
from model.runtime import BundleRuntime
from model.segmenters import BundleSegmenter, EagerSegmenter

DEFAULT_THRESHOLD = 0.5


def _integers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--checkpoint", type=Path, help="evaluate the eager network")
    what.add_argument("--bundle", type=Path, help="evaluate an exported bundle")
    parser.add_argument("--data", type=Path, required=True, help="folder of one set")
    parser.add_argument("--folds", type=_integers, help="PASCAL-5i folds; none: every class")
    parser.add_argument("--shots", type=_integers, default=[1])
    parser.add_argument("--episodes", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--min-area", type=int, default=MIN_AREA, help="pixels of a class")
    parser.add_argument("--input-side", type=int, help="another side (checkpoint only)")
    parser.add_argument("--threshold", type=float, help="default: the manifest's, or 0.5")
    parser.add_argument("--json", type=Path, help="write the reports here")


def main(args: argparse.Namespace) -> int:
    """Evaluate every fold and number of shots, print and optionally write the figures."""
    try:
        segmenter, threshold = _open(args)
        reports = _evaluate(args, segmenter, threshold)
    except (CheckpointError, InvalidBundleError, DatasetError, ValueError) as exc:
        print(exc, file=sys.stderr)
        return 2
    for report in reports:
        classes = "  ".join(f"{name} {iou:.1f}" for name, iou in report["class_iou"].items())
        print(
            f"fold {report['fold']}  {report['shots']}-shot  mIoU {report['mean_iou']:.2f}  "
            f"FB-IoU {report['fb_iou']:.2f}  ({classes})  {report['seconds']:.0f} s"
        )
    if args.json:
        args.json.write_text(json.dumps(reports, indent=2) + "\n", encoding="utf-8")
    return 0


def _open(args: argparse.Namespace) -> tuple[Segmenter, float]:
    if args.bundle:
        runtime = BundleRuntime(args.bundle)
        return BundleSegmenter(runtime), args.threshold or runtime.manifest.threshold
    network, _ = load_network(args.checkpoint, input_side=args.input_side)
    return EagerSegmenter(network), args.threshold or DEFAULT_THRESHOLD


def _evaluate(
    args: argparse.Namespace, segmenter: Segmenter, threshold: float
) -> list[dict[str, Any]]:
    dataset = open_dataset(args.data)
    by_name = {name: index for index, name in dataset.class_names.items()}
    reports = []
    for fold in args.folds if args.folds is not None else [None]:
        names = tuple(by_name) if fold is None else fold_classes(fold)
        classes = index_classes(dataset, tuple(by_name[name] for name in names), args.min_area)
        for shots in args.shots:
            started = time.monotonic()
            report = evaluate_episodes(
                segmenter,
                dataset,
                classes,
                shots=shots,
                episodes=args.episodes,
                seed=args.seed,
                threshold=threshold,
                progress=True,
            )
            seconds = time.monotonic() - started
            reports.append({"fold": fold, **asdict(report), "seconds": round(seconds, 1)})
    return reports
