"""Engines as the settings give them, and fake ones that fail or count."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from model.contract import SupportSet
from model.runtime import Adapt, Device
from service.assembly.engines import engine_options
from service.engine import Coverage, EngineOptions, FakeEngine, ImageU8, OnnxEngine, Predictions
from service.errors import DeadlineExceededError
from service.settings import Settings


def usual_options(**changes: Any) -> EngineOptions:
    """The options of an engine on one thread of the CPU, but for some changes."""
    return engine_options(Settings(), (Device(),), 1)._replace(**changes)


@asynccontextmanager
async def running_engine(
    bundle: Path, options: EngineOptions, **others: Any
) -> AsyncIterator[OnnxEngine]:
    """A block in which the engine of a bundle runs; `others`: what else it is made with."""
    engine = OnnxEngine(bundle, options, **others)
    await engine.start()
    assert engine.failure is None
    try:
        yield engine
    finally:
        await engine.stop()


class BrokenEngine(FakeEngine):
    """Raises what nobody expects."""

    def __init__(self, message: str = "") -> None:
        super().__init__()
        self._message = message

    async def segment(
        self, images: Sequence[ImageU8], classes: Sequence[SupportSet]
    ) -> Predictions:
        raise ZeroDivisionError(self._message)


class CountingEngine(FakeEngine):
    """Notes the numbers of images and classes of each call, and the scale of the classes.

    encoded: images that were looked at, as supports or queries.

    Args:
        max_calls: further ones come too late.
    """

    def __init__(self, max_calls: int = 10**6) -> None:
        super().__init__()
        self.encoded = 0
        self.calls: list[tuple[int, int]] = []
        self.sides: list[list[int | None]] = []
        self._max_calls = max_calls

    @property
    def batches(self) -> list[int]:
        """The number of images of each call."""
        return [images for images, _ in self.calls]

    async def register(
        self, images: Sequence[ImageU8], masks: Sequence[Coverage], *, adapt: Adapt = False
    ) -> SupportSet:
        self.encoded += len(images)
        return await super().register(images, masks, adapt=adapt)

    async def segment(
        self, images: Sequence[ImageU8], classes: Sequence[SupportSet]
    ) -> Predictions:
        if len(self.calls) >= self._max_calls:
            raise DeadlineExceededError("the engine did not come to it in time")
        self.encoded += len(images)
        self.calls.append((len(images), len(classes)))
        self.sides.append([each.side for each in classes])
        return await super().segment(images, classes)

    async def segment_each(
        self, images: Sequence[ImageU8], classes: Sequence[Sequence[SupportSet]]
    ) -> list[Predictions]:
        self.encoded += len(images)
        return await super().segment_each(images, classes)


class BusyEngine(FakeEngine):
    """A network of another name, which has work for `busy_s`."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.manifest = self.manifest.model_copy(update={"name": name})
        self.busy_s = 0.0

    def wait_s(self, inside: int) -> float:
        return self.busy_s
