"""`python -m model prototypes`: t-SNE of support prototypes, without and with SDPM."""

import argparse
import json
import sys
from pathlib import Path

from model.build import CheckpointError, load_network
from model.cli.types import integers
from model.data.datasets import DatasetError, open_dataset
from model.data.episodes import MIN_AREA, asked_classes
from model.experiments.separability import draw_maps, map_prototypes
from model.experiments.support_prototypes import collect_prototypes, draw_pairs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--checkpoint", type=Path, required=True, help="a network with SDPM")
    parser.add_argument("--data", type=Path, required=True, help="folder of one set")
    parser.add_argument("--folds", type=integers, help="PASCAL-5i folds; none: every class")
    parser.add_argument(
        "--pairs", type=int, default=5000, help="of image and class, at most (5000)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the choice and of t-SNE (0)")
    parser.add_argument("--min-area", type=int, default=MIN_AREA, help="pixels of a class")
    parser.add_argument("--out", type=Path, default=Path("out/prototypes"), help="folder to write")


def main(args: argparse.Namespace) -> int:
    """Write the picture and its figures."""
    try:
        network, _ = load_network(args.checkpoint)
        dataset = open_dataset(args.data)
        classes = asked_classes(dataset, args.folds, args.min_area)
        pairs = draw_pairs(classes, limit=args.pairs, seed=args.seed)
        found = collect_prototypes(network, dataset, pairs)
    except (CheckpointError, DatasetError, ValueError) as exc:
        print(exc, file=sys.stderr)
        return 2
    maps = [
        map_prototypes("without SDPM", found.affinity, found.classes, seed=args.seed),
        map_prototypes("with SDPM", found.guided, found.classes, seed=args.seed),
    ]
    args.out.mkdir(parents=True, exist_ok=True)
    draw_maps(args.out / "prototypes.png", maps, found.classes, dataset.class_names)
    figures = {
        "data": dataset.name,
        "folds": args.folds,
        "seed": args.seed,
        "pairs": len(found.classes),
        "images": len(pairs),
        "silhouette": {mapped.title: mapped.silhouette for mapped in maps},
    }
    (args.out / "prototypes.json").write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    for mapped in maps:
        print(f"{mapped.title}: silhouette {mapped.silhouette:.4f}")
    print(f"{len(found.classes)} pairs of {len(pairs)} images: {args.out / 'prototypes.png'}")
    return 0
