"""Command line of the model: train, evaluate, and report results."""

import argparse
import sys

from model import cli_evaluate, cli_results, cli_train


def main() -> int:
    """Parse the command line and run the command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m model", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help=cli_train.__doc__)
    cli_train.add_arguments(train)
    train.set_defaults(run=cli_train.main)
    evaluate = commands.add_parser("evaluate", help=cli_evaluate.__doc__)
    cli_evaluate.add_arguments(evaluate)
    evaluate.set_defaults(run=cli_evaluate.main)
    results = commands.add_parser("results", help=cli_results.__doc__)
    cli_results.add_arguments(results)
    results.set_defaults(run=cli_results.main)
    args = parser.parse_args()
    status: int = args.run(args)
    return status


if __name__ == "__main__":
    sys.exit(main())
