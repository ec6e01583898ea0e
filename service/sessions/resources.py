"""What every use case works with."""

import asyncio
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from service.engine import Engine, ModelRegistry
from service.errors import QueueFullError
from service.sessions.pool import CodecPool
from service.sessions.uploads import ImageReader
from service.stores import SessionStore, ShotSpec

# Tiles or close-ups in one call to the engine. Few, so that requests of others come in between:
# every such batch queues again behind them.
IMAGES_AT_ONCE = 8


@dataclass(frozen=True, kw_only=True)
class Resources:
    """The siblings that the use cases bring together, and the numbers that bound them.

    models: the engines, which compute prototypes and logits.
    store: keeps sessions.
    pool: threads that decode and encode images.
    reader: reads uploaded files there.
    max_shots: of one class, as the store has it.
    threshold_override: takes the place of the model's own threshold, unless None.
    max_tiles: most tiles of one image.
    tiling: bounds the images that are held at full size while their tiles are segmented.
    deadline_s: after which the caller has stopped waiting.
    max_wait_s: that a caller may expect to wait for those before it.
    """

    models: ModelRegistry
    store: SessionStore
    pool: CodecPool
    reader: ImageReader
    max_shots: int
    threshold_override: float | None
    max_tiles: int
    tiling: asyncio.Semaphore
    deadline_s: float
    max_wait_s: float

    @property
    def shot_specs(self) -> Mapping[str, ShotSpec]:
        """By model, what shots must be like, of those that are served at the moment."""
        return ShotSpecs(self.models)

    def require_short_wait(self, engines: Sequence[Engine], inside: int = 0) -> None:
        """Fail where a caller would wait too long, for codecs and whichever engine it needs.

        Args:
            engines: among which is the one it needs.
            inside: callers let in; see `Engine.wait_s`.

        Raises:
            QueueFullError.
        """
        # One that has not started knows of no work, which says nothing of the others.
        started = [engine for engine in engines if engine.ready] or engines
        wait_s = self.pool.wait_s + min(engine.wait_s(inside) for engine in started)
        if wait_s > self.max_wait_s:
            raise QueueFullError(
                f"a request would wait for {wait_s:.1f} s, more than {self.max_wait_s:g} s",
                retry_after_s=math.ceil(wait_s / 2),
            )

    @contextmanager
    def using(self, engine: Engine) -> Iterator["ModelResources"]:
        """A block that works with one of the networks, which is not unloaded before its end."""
        with self.models.use(engine):
            yield ModelResources(**vars(self), engine=engine)

    def threshold_of(self, engine: Engine) -> float:
        """The probability a foreground pixel needs unless a request says otherwise."""
        if self.threshold_override is None:
            return engine.manifest.threshold
        return self.threshold_override


@dataclass(frozen=True, kw_only=True)
class ModelResources(Resources):
    """The same for work with one network, `engine`."""

    engine: Engine

    @property
    def model(self) -> str:
        """Name and revision of the network, as answers give it."""
        return self.engine.manifest.model

    @property
    def threshold(self) -> float:
        """The network's threshold; see `threshold_of`."""
        return self.threshold_of(self.engine)


class ShotSpecs(Mapping[str, ShotSpec]):
    """What shots must be like, by model; follows what is served."""

    def __init__(self, models: ModelRegistry) -> None:
        self._models = models

    def __getitem__(self, model: str) -> ShotSpec:
        manifest = self._models.manifest_of(model)
        if manifest is None:
            raise KeyError(model)
        return ShotSpec.of(manifest)

    def __iter__(self) -> Iterator[str]:
        return iter([engine.manifest.model for engine in self._models.engines])

    def __len__(self) -> int:
        return len(self._models.engines)
