"""`python -m tests.load load|soak|chaos|replicas`: the service under load and faults, by content.

Each command starts its own service on a free port, checks every answer against what the idle
service said, prints tables, and exits with 1 when a promise was broken.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TypeVar, get_args

from tests.load.chaos import CASES, run_chaos
from tests.load.faults.case import ChaosOptions
from tests.load.judgement import UnusableAnswerError
from tests.load.load import LoadOptions, run_load
from tests.load.replicas.command import ReplicasOptions, run_replicas
from tests.load.report import Report
from tests.load.service_process import BundleName, ServiceProcessError
from tests.load.soak import SoakOptions, run_soak

Options = TypeVar("Options", LoadOptions, SoakOptions, ChaosOptions, ReplicasOptions)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 1 when a promise was broken, 2 when the service could not be tried."""
    args = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="fss-load-") as folder:
        try:
            report = asyncio.run(_run(args, Path(folder)))
        except (ServiceProcessError, UnusableAnswerError) as exc:
            print(f"{args.command} could not run: {exc}", file=sys.stderr)
            return 2
    print(report.text())
    if args.json is not None:
        report.write(args.json)
    return 0 if report.kept else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.load",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    load = commands.add_parser("load", help="many clients at once, and the engine alone")
    _add_load(load)
    soak = commands.add_parser("soak", help="sessions come and go for long; memory must not grow")
    _add_soak(soak)
    chaos = commands.add_parser("chaos", help="faults, one after the other")
    _add_chaos(chaos)
    replicas = commands.add_parser("replicas", help="several replicas behind nginx, and faults")
    _add_replicas(replicas)
    for command in (load, soak, chaos, replicas):
        command.add_argument("--seed", type=int, default=0, help="of pictures and of the mix")
        command.add_argument("--json", type=Path, help="write all tables and promises here")
        command.add_argument("--quiet", action="store_true", help="no progress bars")
    return parser


def _add_load(parser: argparse.ArgumentParser) -> None:
    default = LoadOptions()
    _add_bundle(parser, "--bundle", default.bundle)
    _add(parser, "--clients", positive_int, default.clients, "at the same time")
    _add(parser, "--duration", positive, default.duration_s, "seconds of each loop", "duration_s")
    parser.add_argument("--rate", type=positive, help="requests a second of the open loop")
    _add(parser, "--tenants", positive_int, default.tenants, "sessions that live throughout")
    _add(parser, "--rounds", int, default.rounds, "of engine and service by turns; 0: none")
    _add(parser, "--repeats", int, default.repeats, "requests timed singly; 0: none")


def _add_soak(parser: argparse.ArgumentParser) -> None:
    default = SoakOptions()
    _add_bundle(parser, "--bundle", default.bundle)
    _add(parser, "--requests", positive_int, default.requests, "in all")
    _add(parser, "--sessions", positive_int, default.sessions, "that come and go meanwhile")
    _add(parser, "--settle", positive_int, default.settle, "requests before memory is compared")
    _add(parser, "--clients", positive_int, default.clients, "at the same time")


def _add_chaos(parser: argparse.ArgumentParser) -> None:
    default = ChaosOptions()
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=(), help="default: all")
    _add_bundle(parser, "--bundle", default.bundle)
    _add(parser, "--clients", positive_int, default.clients, "at the same time")
    _add(parser, "--spell-s", positive, default.spell_s, "seconds of each phase")
    _add(parser, "--kills", positive_int, default.kills, "of the worker")
    _add(parser, "--slow-clients", positive_int, default.slow_clients, "at the same time")
    _add_bundle(parser, "--overload-bundle", default.overload_bundle)
    _add(parser, "--overload-s", positive, default.overload_s, "seconds of overload")
    _add(parser, "--overload-images", positive_int, default.overload_images, "of each request")
    _add(parser, "--overload-factor", positive, default.overload_factor, "times the capacity")


def _add_replicas(parser: argparse.ArgumentParser) -> None:
    default = ReplicasOptions()
    _add_bundle(parser, "--bundle", default.bundle)
    _add(parser, "--replicas", positive_int, default.replicas, "behind one nginx")
    _add(parser, "--clients", positive_int, default.clients, "at the same time")
    _add(parser, "--tenants", positive_int, default.tenants, "sessions that live throughout")
    _add(parser, "--rounds", int, default.rounds, "of one replica and all by turns; 0: none")
    _add(parser, "--duration", positive, default.duration_s, "seconds of a round", "duration_s")
    _add(parser, "--fault-rounds", int, default.fault_rounds, "of faults; 0: none")
    _add(parser, "--spell-s", positive, default.spell_s, "seconds that a part is away")


def _add_bundle(parser: argparse.ArgumentParser, name: str, default: str) -> None:
    parser.add_argument(
        name, choices=get_args(BundleName), default=default, help=f"default: {default}"
    )


def _add(
    parser: argparse.ArgumentParser,
    name: str,
    kind: Callable[[str], float],
    default: float,
    text: str,
    destination: str | None = None,
) -> None:
    destination = destination or name.removeprefix("--").replace("-", "_")
    text = f"{text}; default: {default:g}"
    parser.add_argument(name, type=kind, default=default, help=text, dest=destination, metavar="N")


def positive(text: str) -> float:
    """A number above zero."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def positive_int(text: str) -> int:
    """A whole number above zero."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


async def _run(args: argparse.Namespace, folder: Path) -> Report:
    if args.command == "load":
        return await run_load(_options(LoadOptions, args), folder)
    if args.command == "soak":
        return await run_soak(_options(SoakOptions, args), folder)
    if args.command == "replicas":
        return await run_replicas(_options(ReplicasOptions, args), folder)
    return await run_chaos(_options(ChaosOptions, args), folder)


def _options(kind: type[Options], args: argparse.Namespace) -> Options:
    """The dataclass of a command from its arguments."""
    names = {each.name for each in fields(kind)}
    values = {name: value for name, value in vars(args).items() if name in names}
    if "cases" in values:
        values["cases"] = tuple(values["cases"])
    return kind(**values)


if __name__ == "__main__":
    sys.exit(main())
