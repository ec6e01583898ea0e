"""`python -m export.presence`: by how much a bundle's presence score grows with shots.

The more shots a class has, the nearer the mean of their features is to any image, with the class
or without. The score was calibrated on classes of one shot (`python -m model calibrate`); what it
gains by more is measured here, and goes into the manifest for the runtime to take off.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from tqdm import tqdm

from model.calibration import calibration_episodes
from model.cli.types import integers, positive
from model.contract import (
    InvalidBundleError,
    Manifest,
    clipped_logit,
    load_manifest,
    write_manifest,
)
from model.data.datasets import DatasetError, LabelledImages, open_dataset
from model.data.episodes import MIN_AREA, ClassIndex, asked_classes
from model.evaluation.images import RecentImages
from model.evaluation.presence import need_both_kinds
from model.evaluation.segmenter import show_supports
from model.runtime import BundleRuntime
from model.segmenters import BundleSegmenter

_SHOTS = (1, 2, 5, 10)
_DIGITS = 4


def measure_growth(
    runtime: BundleRuntime,
    dataset: LabelledImages,
    classes: ClassIndex,
    *,
    episodes: int,
    seed: int = 0,
    progress: bool = False,
) -> float:
    """By how much a presence logit grows with e times as many shots, class present or not.

    The growth comes from a logistic regression of presence on the score's logit and the logarithm
    of the number of shots. It is fitted to lists of 1, 2, 5 and 10 shots, in each of which half of
    the queries lack the class. Lists for which no class has enough images are left out.

    Args:
        runtime: its manifest must take nothing off yet.
        dataset: images, of which those with an unseen class of the network are left out.
        classes: to ask for; those with too few images for the longest list are left out.
        episodes: of each list.
        seed: of the lists.
        progress: show a bar.

    Raises:
        DatasetError: no class is left.
        ValueError: all queries hold the class, or none does; or the score tells nothing.
    """
    training = runtime.manifest.training
    excluded = frozenset(training.excluded_classes if training else ())
    segmenter, recent = BundleSegmenter(runtime), RecentImages(dataset)
    rows: list[tuple[float, float]] = []
    present: list[bool] = []
    drawn = calibration_episodes(
        dataset, classes, excluded=excluded, shots=1, episodes=episodes, seed=seed
    ).episodes
    lists = [k for k in _SHOTS if drawn.classes.with_at_least(k + 1).images]
    if len(lists) < 2:
        raise DatasetError(f"no class of {dataset.name} has {_SHOTS[1] + 1} images")
    alike = drawn.classes.with_at_least(lists[-1] + 1)
    for shots in lists:
        asked = drawn._replace(classes=alike, shots=shots)
        for number in tqdm(range(episodes), f"{shots} shots", disable=not progress):
            episode, holds = asked.draw(number)
            supports = show_supports(segmenter, recent, episode)
            image, _ = recent.read(episode.query)
            score = segmenter.segment((dataset.name, episode.query), image, supports).presence
            rows.append((clipped_logit(score), np.log(shots)))
            present.append(holds)
    return growth_of(rows, present)


def growth_of(rows: Sequence[tuple[float, float]], present: Sequence[bool]) -> float:
    """The growth that makes one threshold serve classes of any number of shots.

    Args:
        rows: for each query, the logit of its score and the logarithm of its number of shots.
        present: for each query, whether it holds the class.

    Raises:
        ValueError: all queries hold the class, or none does; or the score tells nothing.
    """
    need_both_kinds(present)
    of_score, of_shots = LogisticRegression(C=1e3).fit(np.array(rows), present).coef_[0]
    if of_score <= 0:
        raise ValueError("the presence score of this bundle tells nothing: calibrate it first")
    return round(max(0.0, float(-of_shots / of_score)), _DIGITS)


def add_growth(
    bundle: Path, dataset: LabelledImages, classes: ClassIndex, *, episodes: int, progress: bool
) -> Manifest:
    """Measure, and write the manifest again.

    Raises:
        InvalidBundleError, DatasetError, ValueError: see `measure_growth`.
    """
    runtime = BundleRuntime(bundle)
    runtime.manifest = runtime.manifest.model_copy(update={"presence_growth": 0.0})
    growth = measure_growth(runtime, dataset, classes, episodes=episodes, progress=progress)
    manifest = load_manifest(bundle).model_copy(update={"presence_growth": growth})
    write_manifest(bundle, manifest)
    return manifest


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and measure; 2 on bad input."""
    parser = argparse.ArgumentParser(prog="python -m export.presence", description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True, help="directory, changed in place")
    parser.add_argument("--data", type=Path, required=True, help="folder of one set")
    parser.add_argument("--folds", type=integers, help="classes to ask for; none: every class")
    parser.add_argument(
        "--episodes", type=positive, default=400, help="of each number of shots (400)"
    )
    parser.add_argument("--min-area", type=positive, default=MIN_AREA, help="pixels of a class")
    args = parser.parse_args(arguments)
    try:
        dataset = open_dataset(args.data)
        manifest = add_growth(
            args.bundle,
            dataset,
            asked_classes(dataset, args.folds, args.min_area),
            episodes=args.episodes,
            progress=sys.stderr.isatty(),
        )
    except (InvalidBundleError, DatasetError, ValueError) as exc:
        print(exc, file=sys.stderr)
        return 2
    print(f"{args.bundle}: presence grows by {manifest.presence_growth} with e times the shots")
    return 0


if __name__ == "__main__":
    sys.exit(main())
