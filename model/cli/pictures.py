"""Show episodes as pictures, with attention, prior and answer."""

import argparse
import sys
from pathlib import Path

from model.build import CheckpointError, load_network
from model.cli.types import integers, positive, probability, seed
from model.contract import InvalidBundleError
from model.data.datasets import DatasetError, open_dataset
from model.data.episodes import MIN_AREA, asked_classes
from model.evaluation.segmenter import DEFAULT_THRESHOLD, Segmenter
from model.experiments.contact_sheet import write_contact_sheet
from model.experiments.pictures import picture_episodes
from model.output_paths import folder_to_write
from model.runtime import BundleRuntime
from model.segmenters import BundleSegmenter, EagerSegmenter
from model.subject import SubjectError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--checkpoint", type=Path, help="the eager network, with its maps")
    what.add_argument("--bundle", type=Path, help="an exported bundle; shows no maps")
    parser.add_argument("--data", type=Path, required=True, help="folder of one set")
    parser.add_argument("--folds", type=integers, help="PASCAL-5i folds; none: every class")
    parser.add_argument("--shots", type=positive, default=1, help="supports of an episode (1)")
    parser.add_argument("--count", type=positive, default=12, help="episodes to picture (12)")
    parser.add_argument("--seed", type=seed, default=0, help="of the episode list (0)")
    parser.add_argument("--min-area", type=positive, default=MIN_AREA, help="pixels of a class")
    parser.add_argument(
        "--threshold", type=probability, help=f"default: the manifest's, or {DEFAULT_THRESHOLD}"
    )
    parser.add_argument("--input-side", type=positive, help="another side (checkpoint only)")
    parser.add_argument("--out", type=Path, default=Path("out/pictures"), help="folder to write")


def main(args: argparse.Namespace) -> int:
    """Write a PNG for each episode and the contact sheet."""
    try:
        folder_to_write(args.out)
        segmenter, threshold = _open(args)
        dataset = open_dataset(args.data)
        pictures = list(
            picture_episodes(
                segmenter,
                dataset,
                asked_classes(dataset, args.folds, args.min_area),
                shots=args.shots,
                count=args.count,
                seed=args.seed,
                threshold=threshold,
                out=args.out,
            )
        )
        page = args.out / "index.html"
        source = args.checkpoint or args.bundle
        write_contact_sheet(
            page,
            pictures,
            title=f"{dataset.name}, {args.shots}-shot",
            about=f"{source.name}, episode seed {args.seed}, threshold {threshold:g}",
        )
    except (CheckpointError, InvalidBundleError, DatasetError, ValueError, OSError) as exc:
        print(exc, file=sys.stderr)
        return 2
    print(f"{len(pictures)} episodes: {page}")
    return 0


def _open(args: argparse.Namespace) -> tuple[Segmenter, float]:
    segmenter: Segmenter
    if args.bundle and args.input_side is not None:
        raise SubjectError("the side of a bundle is fixed: --input-side goes with --checkpoint")
    if args.bundle:
        runtime = BundleRuntime(args.bundle)
        segmenter, own_threshold = BundleSegmenter(runtime), runtime.manifest.threshold
    else:
        network, _ = load_network(args.checkpoint, input_side=args.input_side)
        segmenter, own_threshold = EagerSegmenter(network), DEFAULT_THRESHOLD
    return segmenter, own_threshold if args.threshold is None else args.threshold
