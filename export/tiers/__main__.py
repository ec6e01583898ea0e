"""`python -m export.tiers`: add fp16 and int8 tiers to a bundle, measured beside fp32."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from export.tiers.build import (
    MAX_MIOU_LOSS,
    TierError,
    TierOptions,
    add_tiers,
)
from export.tiers.measure import LoweredPrecision
from model.cli.types import integers, positive
from model.contract import InvalidBundleError
from model.data.datasets import DatasetError, open_dataset
from model.data.episodes import MIN_AREA, asked_classes


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and add; 0 on success, 1 when the gate fails, 2 on bad input."""
    args = _parse(arguments)
    try:
        measured = add_tiers(_options(args))
    except TierError as exc:
        print(exc, file=sys.stderr)
        return 1
    except (InvalidBundleError, DatasetError, ValueError) as exc:
        print(exc, file=sys.stderr)
        return 2
    for precision, metrics in measured.items():
        print(
            f"{precision}: mIoU {metrics.miou:.2f}, fp32 {metrics.fp32_miou:.2f} over "
            f"{metrics.episodes} episodes; masks agree to {metrics.agreement:.1f} %, presence "
            f"differs by at most {metrics.presence_difference:.3f}"
        )
    return 0


def _options(args: argparse.Namespace) -> TierOptions:
    test, calibration = open_dataset(args.data), open_dataset(args.calibration, split="train")
    if (_folder(args.data), test.name) == (_folder(args.calibration), calibration.name):
        raise DatasetError(
            "--calibration and --data are the same images: calibrate on images of training, "
            "measure on others"
        )
    folds = "" if args.folds is None else " fold " + ",".join(map(str, args.folds))
    return TierOptions(
        bundle=args.bundle,
        precisions=args.precision,
        calibration=calibration,
        calibration_episodes=args.calibration_episodes,
        test=test,
        test_classes=asked_classes(test, args.folds, args.min_area),
        data=test.name + folds,
        episodes=args.episodes,
        min_area=args.min_area,
        force=args.force,
    )


def _folder(path: Path) -> Path:
    """The folder of a set, without the split that its path may name."""
    resolved = path.resolve()
    return resolved.with_name(resolved.name.partition("@")[0])


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m export.tiers", description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True, help="directory, changed in place")
    parser.add_argument(
        "--precision", type=_precisions, default=("int8",), help="such as int8 or int8,fp16"
    )
    parser.add_argument(
        "--calibration", type=Path, required=True, help="labelled folder of training images"
    )
    parser.add_argument(
        "--calibration-episodes", type=positive, default=48, help="of two images each"
    )
    parser.add_argument("--data", type=Path, required=True, help="labelled folder to measure on")
    parser.add_argument("--folds", type=integers, help="such as 0; none: every class")
    parser.add_argument("--episodes", type=positive, default=300, help="of the measurement")
    parser.add_argument("--min-area", type=positive, default=MIN_AREA, help="pixels of a class")
    parser.add_argument(
        "--force", action="store_true", help=f"keep a tier that loses over {MAX_MIOU_LOSS} points"
    )
    return parser.parse_args(arguments)


def _precisions(text: str) -> tuple[LoweredPrecision, ...]:
    found = tuple(dict.fromkeys(text.split(",")))
    known: tuple[LoweredPrecision, ...] = get_args(LoweredPrecision)
    if not set(found) <= set(known):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of {', '.join(known)}")
    return tuple(each for each in known if each in found)


if __name__ == "__main__":
    sys.exit(main())
