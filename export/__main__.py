"""`python -m export`: write a bundle from a checkpoint."""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from export.bundle import ExportOptions, export_bundle
from export.parity import ParityError
from model.build import CheckpointError
from model.cli.types import positive, probability
from model.contract.manifest import NAME_PATTERN, REVISION_PATTERN
from model.data.datasets import DatasetError
from model.data.episodes import MIN_AREA
from model.evaluation.segmenter import DEFAULT_THRESHOLD
from model.output_paths import OutputError


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and export; 0 on success, 1 when parity fails, 2 on bad input."""
    args = _parse(arguments)
    try:
        manifest = export_bundle(
            ExportOptions(
                checkpoint=args.checkpoint,
                out=args.out,
                name=args.name or _name(args.out.name),
                revision=args.revision,
                threshold=args.threshold,
                input_side=args.input_side,
                parity_data=args.data,
                min_area=args.min_area,
            )
        )
    except ParityError as exc:
        print(exc, file=sys.stderr)
        return 1
    except (
        argparse.ArgumentTypeError,
        CheckpointError,
        DatasetError,
        OutputError,
        OSError,
    ) as exc:
        print(exc, file=sys.stderr)
        return 2
    size = sum(graph.size_bytes for graph in manifest.graphs.values())
    print(f"{args.out}: {size / 1e6:.1f} MB, input {manifest.input_side} px")
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m export", description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True, help="of `model train`")
    parser.add_argument("--out", type=Path, required=True, help="bundle directory")
    parser.add_argument("--name", type=_name, help="default: the directory's name")
    parser.add_argument("--revision", type=_revision, default="1", help="of the weights (1)")
    parser.add_argument(
        "--threshold",
        type=probability,
        default=DEFAULT_THRESHOLD,
        help=f"foreground probability from which a pixel is marked ({DEFAULT_THRESHOLD})",
    )
    parser.add_argument("--input-side", type=positive, help="pixels; default as trained")
    parser.add_argument(
        "--data", type=Path, help="labelled set for the mIoU gate; default: rendered defects"
    )
    parser.add_argument(
        "--min-area",
        type=positive,
        default=MIN_AREA,
        help=f"pixels of a class of --data ({MIN_AREA})",
    )
    return parser.parse_args(arguments)


def _name(text: str) -> str:
    if not re.fullmatch(NAME_PATTERN, text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name for a bundle: {NAME_PATTERN}")
    return text


def _revision(text: str) -> str:
    if not re.fullmatch(REVISION_PATTERN, text):
        raise argparse.ArgumentTypeError(f"{text!r} is no revision: {REVISION_PATTERN}")
    return text


if __name__ == "__main__":
    sys.exit(main())
