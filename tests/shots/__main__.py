"""`python -m tests.shots --data SET`: what makes a good shot, and what a threshold trades.

One-shot episodes, in which the support is shown as it is and in other ways, through the shipped
bundle as it is served.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from model.cli.types import integers
from model.contract import logit, upsample_logits
from model.data.datasets import IGNORE, DatasetError, FolderDataset
from model.data.episodes import MIN_AREA, asked_classes, binary_labels, draw_episode
from model.evaluation import IoUTotals
from model.runtime import BundleRuntime
from model.segmenters import BundleSegmenter
from tests.shots.variants import VARIANTS, Shot

_THRESHOLDS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
_SHARES = (0.02, 0.05, 0.1, 0.25, 1.0)
_AS_DRAWN, *_, _CROPPED = VARIANTS


@dataclass
class Pixels:
    """Totals of a threshold over all episodes."""

    iou: IoUTotals = field(default_factory=IoUTotals)
    right: int = 0
    marked: int = 0
    object: int = 0

    def update(
        self, class_index: int, prediction: NDArray[np.bool_], label: NDArray[np.uint8]
    ) -> None:
        """Add a query: a prediction (H, W), and 1 on the object, 255 where nothing is said."""
        self.iou.update(class_index, prediction, label)
        self.right += int(np.count_nonzero(prediction & (label == 1)))
        self.marked += int(np.count_nonzero(prediction & (label != IGNORE)))
        self.object += int(np.count_nonzero(label == 1))


@dataclass
class Figures:
    """Everything that is measured."""

    thresholds: defaultdict[float, Pixels] = field(default_factory=lambda: defaultdict(Pixels))
    variants: defaultdict[str, IoUTotals] = field(default_factory=lambda: defaultdict(IoUTotals))
    by_support: defaultdict[tuple[float, str], list[float]] = field(
        default_factory=lambda: defaultdict(list)
    )
    by_query: defaultdict[float, list[float]] = field(default_factory=lambda: defaultdict(list))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.shots", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of one set")
    parser.add_argument("--bundle", type=Path, default=Path("model/bundles/lite"))
    parser.add_argument("--folds", type=integers, help="PASCAL-5i folds; none: every class")
    parser.add_argument("--episodes", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0, help="of the episode list")
    parser.add_argument("--min-area", type=int, default=MIN_AREA, help="pixels of a class")
    args = parser.parse_args(arguments)
    try:
        figures = _measure(args)
    except (DatasetError, ValueError) as exc:
        print(exc, file=sys.stderr)
        return 2
    for table in _tables(figures):
        Console(width=100).print(table)
    return 0


def _measure(args: argparse.Namespace) -> Figures:
    dataset = FolderDataset(args.data)
    classes = asked_classes(dataset, args.folds, args.min_area)
    runtime = BundleRuntime(args.bundle)
    segmenter, figures = BundleSegmenter(runtime), Figures()
    cut = logit(runtime.manifest.threshold)
    for number in track(range(args.episodes), "episodes", disable=not sys.stderr.isatty()):
        episode = draw_episode(classes, shots=1, seed=args.seed, number=number)
        (support,) = episode.supports
        image, label = dataset.read(support)
        drawn = Shot(image, label == episode.class_index)
        query, label = dataset.read(episode.query)
        truth = binary_labels(label, episode.class_index)
        for name, vary in VARIANTS.items():
            shown = segmenter.add_support((support, name), *vary(drawn))
            prediction = segmenter.segment(episode.query, query, [shown])
            logits = upsample_logits(prediction.logits, *truth.shape)
            figures.variants[name].update(episode.class_index, logits >= cut, truth)
            iou = _iou(logits >= cut, truth)
            figures.by_support[_bin(drawn.mask.mean()), name].append(iou)
            if name != _AS_DRAWN:
                continue
            figures.by_query[_bin(np.mean(truth == 1))].append(iou)
            for threshold in _THRESHOLDS:
                figures.thresholds[threshold].update(
                    episode.class_index, logits >= logit(threshold), truth
                )
    return figures


def _iou(prediction: NDArray[np.bool_], truth: NDArray[np.uint8]) -> float:
    counted = truth != IGNORE
    both = np.count_nonzero(prediction & (truth == 1))
    return both / np.count_nonzero((prediction | (truth == 1)) & counted)


def _bin(share: float) -> float:
    """The first of `_SHARES` that is not less."""
    return next(limit for limit in _SHARES if share <= limit)


def _tables(figures: Figures) -> Iterator[Table]:
    table = Table("threshold", "mIoU", "precision", "recall")
    for threshold, pixels in figures.thresholds.items():
        precision, recall = pixels.right / pixels.marked, pixels.right / pixels.object
        table.add_row(f"{threshold:g}", *_percent(pixels.iou.mean_iou(), precision, recall))
    yield table
    table = Table("support", "mIoU")
    for name, totals in figures.variants.items():
        table.add_row(name, *_percent(totals.mean_iou()))
    yield table
    table = Table("object's share of the support up to", "n", "IoU", "IoU cropped")
    for limit in _SHARES:
        whole = figures.by_support[limit, _AS_DRAWN]
        cut = figures.by_support[limit, _CROPPED]
        if whole:
            table.add_row(f"{limit:.0%}", str(len(whole)), *_percent(np.mean(whole), np.mean(cut)))
    yield table
    table = Table("object's share of the query up to", "n", "IoU")
    for limit in _SHARES:
        if found := figures.by_query[limit]:
            table.add_row(f"{limit:.0%}", str(len(found)), *_percent(np.mean(found)))
    yield table


def _percent(*figures: float | np.floating) -> Iterator[str]:
    return (f"{100 * float(figure):.1f}" for figure in figures)


if __name__ == "__main__":
    sys.exit(main())
