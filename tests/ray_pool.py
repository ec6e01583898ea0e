"""`python -m tests.ray_pool`: a pool's replica beside the same engine in this process, by turns.

Starts a Ray cluster of its own on this machine, compares every bit, prints how fast both are, and
exits with 1 when a promise was broken.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from model.contract import SupportSet
from service.assembly import create_engine
from service.engine import Engine
from service.engine.ray_pool import RayEngine
from service.settings import SHIPPED_BUNDLE, Settings
from tests.service.ray_cluster import pool_engine, ray_cluster

_MIN_SHARE = 0.9
_BATCH = 8
_IN_FLIGHT = {"full batches": 2, "single images": 2 * _BATCH}
_IMAGES = {"full batches": _BATCH, "single images": 1}
_SHOTS = 5
_BURST = 32  # images
_FASTEST = 0.25

Ask = Callable[[int], Awaitable[object]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare; 1 when the pool gives other bits or is too slow."""
    parser = argparse.ArgumentParser(prog="python -m tests.ray_pool", description=__doc__)
    parser.add_argument("--bursts", type=int, default=40, help="of each side; default: 40")
    parser.add_argument("--threads", type=int, default=2, help="of onnxruntime; default: 2")
    args = parser.parse_args(arguments)
    with ray_cluster(SHIPPED_BUNDLE, workers=1):
        kept = asyncio.run(_compare(args.bursts, args.threads))
    return 0 if kept else 1


async def _compare(bursts: int, threads: int) -> bool:
    console, bundle = Console(), SHIPPED_BUNDLE
    settings: dict[str, Any] = {"intra_op_threads": threads, "encode_cache_bytes": 0}
    here = create_engine(Settings(engine="onnx", bundle=bundle, **settings))
    await here.start()
    async with pool_engine(bundle, **settings) as pool:
        pictures = _Pictures(here.manifest.input_side)
        classes = [await here.register(*pictures.supports())]
        same = await _same_bits(here, pool, pictures, classes)
        console.print(f"the same logits bit for bit: {'yes' if same else 'NO'}")
        shares = {}
        for name in _IN_FLIGHT:
            requests = _BURST // _IMAGES[name]
            speeds: dict[str, list[float]] = {"in process": [], "pool": []}
            for _ in track(range(bursts), name, console=console, disable=not console.is_terminal):
                for side, engine in (("in process", here), ("pool", pool)):
                    ask = _asks(engine, pictures, classes, _IMAGES[name])
                    speeds[side].append(_BURST / await _seconds(ask, _IN_FLIGHT[name], requests))
            shares[name] = _print_speeds(console, name, speeds)
        await _print_transport(console, pool, pictures, classes)
    await here.stop()
    kept = shares["full batches"] >= _MIN_SHARE
    console.print(f"at least {_MIN_SHARE:.0%} at full batches: {'yes' if kept else 'NO'}")
    return same and kept


class _Pictures:
    """Noise with an object in its middle, each picture a new one."""

    def __init__(self, side: int) -> None:
        self._side, self._rng = side, np.random.default_rng(0)

    def queries(self, count: int) -> list[NDArray[np.uint8]]:
        shape = (count, self._side, self._side, 3)
        return list(self._rng.integers(0, 255, shape, dtype=np.uint8))

    def supports(self) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.float32]]]:
        mask = np.zeros((self._side, self._side), np.float32)
        mask[self._side // 4 : -self._side // 4, self._side // 4 : -self._side // 4] = 1
        return self.queries(_SHOTS), [mask] * _SHOTS


async def _same_bits(
    here: Engine, pool: Engine, pictures: _Pictures, classes: Sequence[SupportSet]
) -> bool:
    """Both sides about the same images, in batches of every size."""
    same = True
    for count in (1, 2, 4, 8, 16):
        images = pictures.queries(count)
        ours, theirs = await here.segment(images, classes), await pool.segment(images, classes)
        same &= all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))
    return same


def _asks(engine: Engine, pictures: _Pictures, classes: Sequence[SupportSet], count: int) -> Ask:
    images = pictures.queries(count)

    def ask(_: int) -> Awaitable[object]:
        return engine.segment(images, classes)

    return ask


async def _seconds(ask: Ask, in_flight: int, requests: int) -> float:
    """How long so many requests take, of which some are under way at the same time."""
    began, left = time.perf_counter(), iter(range(requests))

    async def client() -> None:
        for number in left:
            await ask(number)

    await asyncio.gather(*(client() for _ in range(in_flight)))
    return time.perf_counter() - began


def _print_speeds(console: Console, name: str, speeds: dict[str, list[float]]) -> float:
    """The pool's share of the speed.

    Of each side's fastest quarter: whatever else the machine does only ever slows a burst down.
    """
    table = Table(title=f"{name}, images a second")
    for column in ("", "median", "fastest quarter"):
        table.add_column(column)
    rows = {
        side: (median(found), float(np.quantile(found, 1 - _FASTEST / 2)))
        for side, found in speeds.items()
    }
    for side, figures in rows.items():
        table.add_row(side, *(f"{figure:.1f}" for figure in figures))
    shares = [there / here for here, there in zip(rows["in process"], rows["pool"], strict=True)]
    table.add_row("share", *(f"{share:.1%}" for share in shares))
    console.print(table)
    return shares[1]


async def _print_transport(
    console: Console, pool: RayEngine, pictures: _Pictures, classes: Sequence[SupportSet]
) -> None:
    """One request at a time: prototypes by reference, as they go, and sent again each time."""
    (image,) = pictures.queries(1)
    known = await _latency_ms(lambda _: pool.segment([image], classes))
    again = await _latency_ms(lambda _: pool.segment_each([image], [classes]))
    kilobytes = sum(each.nbytes for each in classes) / 1e3
    console.print(
        f"prototypes of {kilobytes:.0f} kB, one image: {known:.1f} ms where the pool has them, "
        f"{again:.1f} ms where they are sent with the request"
    )


async def _latency_ms(ask: Ask, repeats: int = 30) -> float:
    found = []
    for number in range(repeats):
        began = time.perf_counter()
        await ask(number)
        found.append(time.perf_counter() - began)
    return 1e3 * median(found)


if __name__ == "__main__":
    sys.exit(main())
