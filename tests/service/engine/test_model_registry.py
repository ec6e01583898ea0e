"""Which engine a name means, and when one is free to go."""

import asyncio

import pytest

from service.engine import FakeEngine, ModelRegistry
from service.errors import ModelMismatchError, ModelNotFoundError, NotReadyError


def engine(revision: str, name: str = "net") -> FakeEngine:
    made = FakeEngine()
    made.manifest = made.manifest.model_copy(update={"name": name, "revision": revision})
    return made


@pytest.mark.parametrize(
    "oldest_first",
    [
        ["1", "2", "10"],
        ["1.9", "1.10", "2.0"],
        ["2025-12-31", "2026-01-01", "2026-01-01.1"],
        ["r9", "r10", "1"],
    ],
)
def test_a_name_alone_is_its_newest_revision(oldest_first: list[str]) -> None:
    engines = [engine(revision) for revision in oldest_first]
    for order in (engines, engines[::-1]):
        models = ModelRegistry(order[0])
        models.switch(order, "net")
        assert models.find("net") is models.find(None) is models.default is engines[-1]
        assert list(models.listed) == engines[::-1]


def test_a_model_still_to_be_loaded_is_waited_for() -> None:
    """As by a job of its sessions that goes on after a restart."""
    models = ModelRegistry(engine("1"))
    with pytest.raises(NotReadyError):
        models.of_session("net@2")
    with pytest.raises(NotReadyError):
        models.find("else")
    models.complete = True
    with pytest.raises(ModelMismatchError):
        models.of_session("net@2")
    with pytest.raises(ModelNotFoundError):
        models.find("else")


async def test_an_engine_is_free_once_its_last_user_has_gone() -> None:
    old, new = engine("1"), engine("2")
    models = ModelRegistry(old)
    with models.use(old):
        with models.use(old):
            models.switch([new], "net")
            free = asyncio.create_task(models.unused(old))
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not free.done()
    await asyncio.wait_for(free, 5)
    await models.unused(new)
