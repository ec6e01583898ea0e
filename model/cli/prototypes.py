"""Draw support prototypes by t-SNE, before and behind SDPM's gate."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.build import CheckpointError, load_network
from model.cli.types import integers, positive, seed
from model.data.datasets import DatasetError, open_dataset
from model.data.episodes import MIN_AREA, asked_classes
from model.experiments.separability import draw_maps, map_prototypes
from model.experiments.support_prototypes import (
    SupportPrototypes,
    collect_prototypes,
    draw_pairs,
)
from model.nets import SDAANet
from model.output_paths import folder_to_write


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--checkpoint", type=Path, required=True, help="a network with SDPM")
    parser.add_argument(
        "--without",
        type=Path,
        metavar="CHECKPOINT",
        help="a network trained without SDPM, in place of what comes before the gate",
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of one set")
    parser.add_argument("--folds", type=integers, help="PASCAL-5i folds; none: every class")
    parser.add_argument(
        "--pairs", type=positive, default=5000, help="of image and class, at most (5000)"
    )
    parser.add_argument("--seed", type=seed, default=0, help="of the choice and of t-SNE (0)")
    parser.add_argument("--min-area", type=positive, default=MIN_AREA, help="pixels of a class")
    parser.add_argument("--input-side", type=positive, help="another side, such as 473")
    parser.add_argument("--out", type=Path, default=Path("out/prototypes"), help="folder to write")


def main(args: argparse.Namespace) -> int:
    """Write the picture and its figures."""
    try:
        folder_to_write(args.out)
        networks = _networks(args)
        dataset = open_dataset(args.data)
        shown = asked_classes(dataset, args.folds, args.min_area)
        pairs = draw_pairs(shown, limit=args.pairs, seed=args.seed)
        found = [collect_prototypes(network, dataset, pairs) for network in networks]
    except (CheckpointError, DatasetError, ValueError) as exc:
        print(exc, file=sys.stderr)
        return 2
    classes, vectors = found[0].classes, _vectors(found)
    maps = [map_prototypes(title, rows, classes, seed=args.seed) for title, rows in vectors.items()]
    draw_maps(args.out / "prototypes.png", maps, classes, dataset.class_names)
    figures = {
        "data": dataset.name,
        "folds": args.folds,
        "seed": args.seed,
        "input_side": networks[0].input_side,
        "pairs": len(classes),
        "images": len(pairs),
        "silhouette": {mapped.title: mapped.silhouette for mapped in maps},
    }
    (args.out / "prototypes.json").write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    for mapped in maps:
        print(f"{mapped.title}: silhouette {mapped.silhouette:.4f}")
    print(f"{len(classes)} pairs of {len(pairs)} images: {args.out / 'prototypes.png'}")
    return 0


def _networks(args: argparse.Namespace) -> list[SDAANet]:
    """The network with SDPM, and the one without if there is one.

    Raises:
        model.build.CheckpointError: one is no checkpoint.
        ValueError: it is the other way round, or their sides differ.
    """
    paths = [args.checkpoint] if args.without is None else [args.checkpoint, args.without]
    networks = [load_network(path, input_side=args.input_side)[0] for path in paths]
    if networks[0].sse is None:
        raise ValueError(f"{args.checkpoint} was trained without SDPM: there is nothing to compare")
    if args.without is not None and networks[1].sse is not None:
        raise ValueError(f"{args.without} was trained with SDPM: --without takes one without")
    if len({network.input_side for network in networks}) > 1:
        raise ValueError("the networks have different input sides: give --input-side")
    return networks


def _vectors(found: Sequence[SupportPrototypes]) -> dict[str, NDArray[np.float32]]:
    """What is mapped, by title: of one network its gate, of two the whole of SDPM."""
    if len(found) == 1:
        return {"before the gate": found[0].affinity, "behind the gate": found[0].guided}
    return {"without SDPM": found[1].affinity, "with SDPM": found[0].guided}
