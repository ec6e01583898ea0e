"""Command line of the model: train, evaluate, report, import, and the paper's experiments."""

import argparse
import sys
from collections.abc import Sequence

from model.cli import (
    ablate,
    calibrate,
    evaluate,
    import_bundle,
    import_reference,
    pictures,
    prototypes,
    results,
    train,
)

COMMANDS = {
    "train": train,
    "calibrate": calibrate,
    "evaluate": evaluate,
    "results": results,
    "pictures": pictures,
    "prototypes": prototypes,
    "ablate": ablate,
    "import-bundle": import_bundle,
    "import-reference": import_reference,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and run the command; returns the exit status.

    `args.words` are the words as they were given, for those commands that record them.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    parser = argparse.ArgumentParser(prog="python -m model", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, module in COMMANDS.items():
        command = commands.add_parser(name, help=module.__doc__, description=module.__doc__)
        module.add_arguments(command)
        command.set_defaults(run=module.main)
    args = parser.parse_args(words, argparse.Namespace(words=words))
    status: int = args.run(args)
    return status


if __name__ == "__main__":
    sys.exit(main())
