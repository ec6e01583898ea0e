"""Options of the benchmarks: which networks, how often, how many threads, where rows go."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import torch

from export.benchmarks.output import progress
from export.bundle import require_cells
from model.build import PRESETS, NetworkConfig, build_network
from model.cli.types import positive
from model.output_paths import OutputError, file_to_write


def options(program: str, about: str | None, *, repeats: int) -> argparse.ArgumentParser:
    """A parser with the options that all benchmarks on a CPU share.

    Args:
        program: name of the module.
        about: its docstring.
        repeats: the default of `--repeats`.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=about)
    parser.add_argument("--presets", nargs="+", choices=sorted(PRESETS), default=["lite", "r50"])
    parser.add_argument("--repeats", type=positive, default=repeats)
    parser.add_argument("--threads", type=positive, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--side", type=positive, help="input pixels; default the preset's own")
    parser.add_argument("--json", type=rows_file, help="write the rows here")
    return parser


def rows_file(text: str) -> Path:
    """The file of `--json`, with its folder made.

    Raises:
        argparse.ArgumentTypeError: it cannot be written there.
    """
    try:
        return file_to_write(Path(text))
    except OutputError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc


def presets_at(names: Sequence[str], side: int | None) -> list[NetworkConfig]:
    """Presets, at `side` or else each at its own input side.

    Raises:
        SystemExit: with status 2: one of them cannot take that side, or a bundle of it cannot; the
            message goes to stderr.
    """
    configs = [PRESETS[name]() for name in names]
    if side is None:
        return configs
    for config in configs:
        try:
            with torch.device("meta"):
                require_cells(build_network(config.at_side(side)))
        except ValueError as exc:  # a CheckpointError is one
            progress(f"{config.preset}: {exc}")
            raise SystemExit(2) from exc
    return [config.at_side(side) for config in configs]
