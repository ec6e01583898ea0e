"""Options of the benchmarks: which networks, how often, how many threads, where rows go."""

import argparse
import os
from pathlib import Path

import torch

from model.build import PRESETS, NetworkConfig, build_network
from model.cli.types import positive


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
    parser.add_argument("--json", type=Path, help="write the rows here")
    return parser


def preset_at(name: str, side: int | None) -> NetworkConfig:
    """A preset, at `side` or else at its own input side.

    Raises:
        SystemExit: its backbone cannot take that side; the message goes to stderr.
    """
    config = PRESETS[name]()
    if side is None:
        return config
    try:
        with torch.device("meta"):
            build_network(config.at_side(side))
    except ValueError as exc:
        raise SystemExit(f"{name}: {exc}") from exc
    return config.at_side(side)
