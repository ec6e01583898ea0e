"""Command line of the model: train, evaluate, report, import, and the paper's experiments."""

import argparse
import sys

from model import (
    cli_ablate,
    cli_calibrate,
    cli_evaluate,
    cli_import_bundle,
    cli_import_reference,
    cli_pictures,
    cli_prototypes,
    cli_results,
    cli_train,
)

COMMANDS = {
    "train": cli_train,
    "calibrate": cli_calibrate,
    "evaluate": cli_evaluate,
    "results": cli_results,
    "pictures": cli_pictures,
    "prototypes": cli_prototypes,
    "ablate": cli_ablate,
    "import-bundle": cli_import_bundle,
    "import-reference": cli_import_reference,
}


def main() -> int:
    """Parse the command line and run the command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m model", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, module in COMMANDS.items():
        command = commands.add_parser(name, help=module.__doc__, description=module.__doc__)
        module.add_arguments(command)
        command.set_defaults(run=module.main)
    args = parser.parse_args()
    status: int = args.run(args)
    return status


if __name__ == "__main__":
    sys.exit(main())
