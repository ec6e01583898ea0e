"""`python -m tests.fuzz`: hostile files against the decoders, made from a seed.

A file gives an array of the size it announced or an error of the service: no other exception, no
warning, no more memory than a bound, and no more than a second. Exits with 1 when one does not;
such files are written to the folder given.
"""

import argparse
import itertools
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from tests.fuzz.corpus import seeds
from tests.fuzz.trial import Trial, make_case, try_file
from tests.load.__main__ import positive, positive_int
from tests.load.report import Table
from tests.load.tally import Cell


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz; 1 when a file did what it may not."""
    args = _parse(arguments)
    bad: list[Trial] = []
    by_format: dict[str, list[Trial]] = defaultdict(list)
    for trial in tqdm(_trials(args), total=args.cases, disable=args.quiet, leave=False):
        by_format[trial.seed_name.partition("-")[0]].append(trial._replace(data=b""))
        if trial.complaint is not None:
            bad.append(trial)
            _keep(trial, args.out)
    print(Table("hostile files", [_row(*each) for each in sorted(by_format.items())]).text())
    for trial in bad:
        print(f"case {trial.number} ({trial.seed_name}): {trial.complaint}", file=sys.stderr)
    return 1 if bad else 0


def _trials(args: argparse.Namespace) -> Iterator[Trial]:
    files = seeds()
    for name, data in files.items():  # libraries are loaded, and buffers are made, once
        try_file(-1, name, data)
    end = time.monotonic() + 60 * args.minutes if args.minutes else float("inf")
    cases = args.cases if args.cases is not None else None
    for number in itertools.islice(itertools.count(), cases):
        if time.monotonic() > end:
            return
        yield try_file(number, *make_case(number, args.seed, files))


def _row(name: str, trials: list[Trial]) -> dict[str, Cell]:
    return {
        "format": name,
        "files": len(trials),
        "decoded": sum(trial.decoded for trial in trials),
        "bad": sum(trial.complaint is not None for trial in trials),
        "most CPU ms": round(1000 * max(trial.cpu_s for trial in trials), 1),
        "most memory MB": round(max(trial.memory_bytes for trial in trials) / 1e6, 1),
    }


def _keep(trial: Trial, folder: Path | None) -> None:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{trial.number}-{trial.seed_name}").write_bytes(trial.data)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--cases", type=positive_int, help="how many files")
    length.add_argument("--minutes", type=positive, help="for how long")
    parser.add_argument("--seed", type=int, default=0, help="of all files; default: 0")
    parser.add_argument("--out", type=Path, help="folder for files that did what they may not")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
