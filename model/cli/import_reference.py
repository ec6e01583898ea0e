"""Write weights of the SD-AANet authors' code as a checkpoint."""

import argparse
import sys
from pathlib import Path
from typing import get_args

from model.build import CheckpointError, network_state, write_checkpoint
from model.build.reference import (
    TrainingSet,
    import_reference,
    read_reference,
    reference_config,
)
from model.output_paths import OutputError, file_to_write


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("file", type=Path, help="their checkpoint, such as train_epoch_*.pth")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint to write")
    parser.add_argument(
        "--trained-on",
        choices=get_args(TrainingSet),
        help="sets the decoder's smallest scale; default: pascal for ResNet-50, coco for "
        "ResNet-101, as the authors published them",
    )


def main(args: argparse.Namespace) -> int:
    """Convert and write; returns the exit status."""
    try:
        file_to_write(args.out)
        state = read_reference(args.file)
        config = reference_config(state, trained_on=args.trained_on)
        network = import_reference(state, config)
        write_checkpoint(args.out, network_state(network, config))
    except CheckpointError as exc:
        print(f"{args.file}: {exc}", file=sys.stderr)
        return 2
    except (OutputError, OSError) as exc:
        print(exc, file=sys.stderr)
        return 2
    backbone = sum(name.startswith("layer") for name in state)
    print(
        f"{len(state)} tensors mapped ({backbone} of the backbone, {len(state) - backbone} behind "
        f"it) into {config.preset}, {config.channels} channels, reference arithmetic, decoder "
        f"scales rounded {config.decoder_rounding}: {args.out}"
    )
    return 0
