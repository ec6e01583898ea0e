"""Uploaded files are kept no longer than until they are decoded."""

from collections.abc import Sequence

import pytest

from model.contract import SupportSet
from model.runtime import Adapt
from service.assembly.parts import create_resources, create_store
from service.engine import Coverage, FakeEngine, ImageU8, ModelRegistry, Predictions
from service.schemas import SegmentForm, SupportForm
from service.sessions import ShotSpecs, register, segment
from service.settings import Settings
from tests.service.pictures import picture


class WatchingEngine(FakeEngine):
    """Notes how many files a form still holds when its pixels reach the engine."""

    def __init__(self) -> None:
        super().__init__()
        self.watched: list[list[bytes]] = []
        self.seen: list[int] = []

    async def register(
        self, images: Sequence[ImageU8], masks: Sequence[Coverage], *, adapt: Adapt = False
    ) -> SupportSet:
        self.seen += [len(files) for files in self.watched]
        return await super().register(images, masks, adapt=adapt)

    async def segment(
        self, images: Sequence[ImageU8], classes: Sequence[SupportSet]
    ) -> Predictions:
        self.seen += [len(files) for files in self.watched]
        return await super().segment(images, classes)


@pytest.fixture
def engine() -> WatchingEngine:
    engine = WatchingEngine()
    engine.ready = True
    return engine


async def test_no_file_waits_for_the_engine(engine: WatchingEngine, settings: Settings) -> None:
    models = ModelRegistry(engine, complete=True)
    resources = create_resources(settings, models, create_store(settings, ShotSpecs(models)))
    scenes = [picture(seed=seed) for seed in range(3)]
    support = SupportForm(
        class_name="thing",
        images=[scene.image_png for scene in scenes],
        masks=[scene.mask_png for scene in scenes],
    )
    engine.watched = [support.images, support.masks]
    session = await register(resources, support, "")
    query = SegmentForm(images=[scenes[0].image_png], session_id=session.session_id)
    engine.watched = [query.images]
    await segment(resources, query, "")
    assert set(engine.seen) == {0}
    await resources.pool.close()
