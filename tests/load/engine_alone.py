"""The engine without the service around it, in this process: what the service can reach at most."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.contract import SupportSet
from service.assembly import create_engine
from service.engine import Engine
from service.settings import Settings

BATCHES = (1, 2, 4, 8)


class EngineAlone:
    """Asks an engine for one class in images that are arrays already, each a new one.

    Args:
        engine: started.
        in_flight: images asked for at the same time; enough to fill its batches.
    """

    def __init__(self, engine: Engine, supports: SupportSet, *, in_flight: int) -> None:
        self._engine = engine
        self._supports = supports
        self._in_flight = in_flight
        side = engine.manifest.input_side
        self._image = np.random.default_rng(0).integers(0, 255, (side, side, 3), dtype=np.uint8)
        self._asked = 0

    async def throughput(self, seconds: float) -> float:
        """Images a second."""
        began = time.monotonic()
        done = 0

        async def ask() -> None:
            nonlocal done
            while time.monotonic() - began < seconds:
                await self._engine.segment([self._new_image()], [self._supports])
                done += 1

        await asyncio.gather(*(ask() for _ in range(self._in_flight)))
        return done / (time.monotonic() - began)

    def _new_image(self) -> NDArray[np.uint8]:
        """Unlike all before, so that nothing is answered from a cache."""
        self._asked += 1
        image = self._image.copy()
        image[0, :8, 0] = np.frombuffer(self._asked.to_bytes(8, "little"), np.uint8)
        return image


@asynccontextmanager
async def engine_alone(bundle: Path, *, batch: int) -> AsyncIterator[EngineAlone]:
    """A started engine whose encoder takes up to `batch` images at once."""
    sizes = tuple(size for size in BATCHES if size <= batch)
    engine = create_engine(
        Settings(bundle=bundle, batch_sizes=sizes, encode_cache_bytes=0, prediction_cache_bytes=0)
    )
    await engine.start()
    try:
        if engine.failure is not None:
            raise RuntimeError(f"the engine did not start: {engine.failure}")
        side = engine.manifest.input_side
        mask = np.zeros((side, side), np.float32)
        mask[side // 4 : side // 2, side // 4 : side // 2] = 1
        image = np.full((side, side, 3), 127, np.uint8)
        supports = await engine.register([image], [mask])
        yield EngineAlone(engine, supports, in_flight=2 * batch)
    finally:
        await engine.stop()


async def best_batch(bundle: Path, seconds: float) -> dict[int, float]:
    """Images a second at each batch size."""
    found = {}
    for batch in BATCHES:
        async with engine_alone(bundle, batch=batch) as alone:
            await alone.throughput(seconds / 4)
            found[batch] = await alone.throughput(seconds)
    return found
