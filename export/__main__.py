"""`python -m export`: write a bundle from a checkpoint."""

import argparse
import sys
from pathlib import Path

from export.bundle import ExportOptions, export_bundle
from export.parity import ParityError
from model.build import CheckpointError
from model.data.datasets import DatasetError


def main() -> int:
    """Parse the command line and export; 0 on success, 1 when parity fails, 2 on bad input."""
    parser = argparse.ArgumentParser(prog="python -m export", description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="bundle directory")
    parser.add_argument("--name", help="default: the directory's name")
    parser.add_argument("--revision", default="1")
    parser.add_argument("--threshold", type=float, default=0.5)
    parser.add_argument("--input-side", type=int, help="pixels; default as trained")
    parser.add_argument("--data", type=Path, help="PASCAL-5i folder for the mIoU gate")
    args = parser.parse_args()
    options = ExportOptions(
        checkpoint=args.checkpoint,
        out=args.out,
        name=args.name or args.out.name,
        revision=args.revision,
        threshold=args.threshold,
        input_side=args.input_side,
        parity_data=args.data,
    )
    try:
        manifest = export_bundle(options)
    except ParityError as exc:
        print(exc, file=sys.stderr)
        return 1
    except (CheckpointError, DatasetError) as exc:
        print(exc, file=sys.stderr)
        return 2
    size = sum(graph.size_bytes for graph in manifest.graphs.values())
    print(f"{args.out}: {size / 1e6:.1f} MB, input {manifest.input_side} px")
    return 0


if __name__ == "__main__":
    sys.exit(main())
