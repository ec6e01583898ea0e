"""`python -m export.familiar`: note in a bundle's manifest which images its network is used to.

The less the image of a single support is like them, the more readily the head is fitted to that
support (`model.runtime.refit`).
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from model.contract import (
    Familiar,
    InvalidBundleError,
    load_manifest,
    resize_image,
    write_manifest,
)
from model.data.datasets import DatasetError, LabelledImages, open_dataset
from model.data.mixture import images_without
from model.runtime import BundleRuntime, image_vectors

_MIN_IMAGES = 400  # of the sample, or all; every nth is taken, so fewer than twice as many
_WITHIN = 0.99  # share of the images that are inside the distance
_DIGITS = 5


def measure_familiar(bundle: Path, dataset: LabelledImages) -> Familiar:
    """Centre and distance of a sample of the images without the network's unseen classes.

    Raises:
        InvalidBundleError: the directory is no intact bundle.
        DatasetError: every image shows an unseen class.
    """
    runtime = BundleRuntime(bundle)
    training = runtime.manifest.training
    excluded = frozenset(training.excluded_classes if training else ())
    allowed = images_without(dataset, excluded)
    if not allowed:
        raise DatasetError(f"every image of {dataset.name} shows a class that is to stay unseen")
    chosen = allowed[:: max(1, len(allowed) // _MIN_IMAGES)]
    side = runtime.manifest.input_side
    vectors = np.concatenate(
        [
            image_vectors(runtime.encode(resize_image(dataset.read(index)[0], side)[None]))
            for index in tqdm(chosen, "images", disable=not sys.stderr.isatty())
        ]
    )
    centre = vectors.mean(axis=0, dtype=np.float64).round(_DIGITS)
    distances = np.linalg.norm(vectors - centre, axis=1)
    distance = round(float(np.quantile(distances, _WITHIN)), _DIGITS)
    return Familiar(centre=tuple(centre.tolist()), distance=distance)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and write the manifest again; 2 on bad input."""
    parser = argparse.ArgumentParser(prog="python -m export.familiar", description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="a set of its training")
    args = parser.parse_args(arguments)
    try:
        familiar = measure_familiar(args.bundle, open_dataset(args.data, split="train"))
        manifest = load_manifest(args.bundle)
    except (InvalidBundleError, DatasetError) as exc:
        print(exc, file=sys.stderr)
        return 2
    write_manifest(args.bundle, manifest.model_copy(update={"familiar": familiar}))
    print(f"{args.bundle}: images within {familiar.distance} of the centre are familiar")
    return 0


if __name__ == "__main__":
    sys.exit(main())
