"""Fit the presence score of a trained network, and write it into a copy of the checkpoint."""

import argparse
import sys
from pathlib import Path

from model.build import Checkpoint, CheckpointError
from model.calibration import calibrate, calibration_episodes
from model.cli.types import integers, positive, seed
from model.data.datasets import DatasetError, open_dataset
from model.data.episodes import MIN_AREA, asked_classes
from model.output_paths import file_to_write


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--checkpoint", type=Path, required=True, help="of `model train`")
    parser.add_argument("--out", type=Path, required=True, help="the calibrated checkpoint")
    parser.add_argument("--data", type=Path, required=True, help="folder of one set")
    parser.add_argument("--folds", type=integers, help="classes to ask for; none: every class")
    parser.add_argument(
        "--episodes", type=positive, default=1500, help="half lack the class (1500)"
    )
    parser.add_argument("--min-area", type=positive, default=MIN_AREA, help="pixels of a class")
    parser.add_argument("--seed", type=seed, default=0, help="of the episode list (0)")
    parser.add_argument("--input-side", type=positive, help="another side, such as 473")


def main(args: argparse.Namespace) -> int:
    """Fit the presence score on episodes without the checkpoint's unseen classes."""
    try:
        file_to_write(args.out)
        checkpoint = Checkpoint.read(args.checkpoint)
        network, _ = checkpoint.network(input_side=args.input_side)
        dataset = open_dataset(args.data)
        calibration = calibration_episodes(
            dataset,
            asked_classes(dataset, args.folds, args.min_area),
            excluded=frozenset(checkpoint.progress.get("excluded", ())),
            shots=1,  # what more of them add, `export.presence` measures
            episodes=args.episodes,
            seed=args.seed,
        )
        record = calibrate(network, dataset, calibration, progress=True)
        checkpoint.write_calibrated(args.out, record)
    except (CheckpointError, DatasetError, ValueError, OSError) as exc:
        print(exc, file=sys.stderr)
        return 2
    print(f"{args.out}: a class counts as present from {record.threshold:.2f}")
    return 0
