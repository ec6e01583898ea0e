"""Bundles that cannot be loaded, or are loaded while the service ends."""

import asyncio
from pathlib import Path

import pytest

from model.contract import MANIFEST_FILE
from service.engine import BundleFolder, BundleWatcher, FakeEngine, ModelRegistry


class Noted(FakeEngine):
    """Of a revision; tells whether it was stopped."""

    def __init__(self, revision: str) -> None:
        super().__init__()
        self.manifest = self.manifest.model_copy(update={"revision": revision})
        self.stopped = False

    async def stop(self) -> None:
        await super().stop()
        self.stopped = True


def folder_of(path: Path, *names: str) -> BundleFolder:
    """Directories of bundles, beside the default called first."""
    for name in names:
        (path / name).mkdir()
        (path / name / MANIFEST_FILE).touch()
    return BundleFolder(path / "first", path)


async def test_errors_that_nobody_foresaw_do_not_end_the_watch(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engines = {name: Noted(name) for name in ("first", "a", "b")}
    broken = {"a"}

    def load(path: Path) -> Noted:
        if path.name in broken:
            raise RuntimeError("can't start new thread")
        return engines[path.name]

    served = asyncio.Event()
    models = ModelRegistry(engines["first"])
    watcher = BundleWatcher(
        models, folder_of(tmp_path, "first", "a", "b"), load, on_switch=served.set
    )
    watcher.open()
    await asyncio.wait_for(served.wait(), 20)
    assert models.complete
    assert {each.manifest.revision for each in models.engines} == {"first", "b"}
    assert "can't start new thread" in caplog.text
    broken.clear()
    served.clear()
    watcher.reload()
    await asyncio.wait_for(served.wait(), 20)
    assert {each.manifest.revision for each in models.engines} == {"first", "a", "b"}
    await watcher.close()
    assert all(engine.stopped for engine in engines.values())


class Slow(Noted):
    """Tells that it is being started, and never ends that by itself."""

    def __init__(self, revision: str) -> None:
        super().__init__(revision)
        self.starting = asyncio.Event()

    async def start(self) -> None:
        self.starting.set()
        await asyncio.Event().wait()


async def test_what_is_being_loaded_while_all_close_is_given_up_and_the_rest_stopped(
    tmp_path: Path,
) -> None:
    bundles = folder_of(tmp_path, "a", "b")
    slow = Slow("b")
    engines = {"first": Noted("first"), "a": Noted("a"), "b": slow}
    watcher = BundleWatcher(
        ModelRegistry(engines["first"]), bundles, lambda path: engines[path.name]
    )
    watcher.open()
    await asyncio.wait_for(slow.starting.wait(), 20)
    assert engines["a"].ready
    await asyncio.wait_for(watcher.close(), 20)
    assert [engines[name].stopped for name in ("first", "a")] == [True, True]
    assert not slow.ready


async def test_a_default_engine_that_does_not_start_keeps_nothing_from_closing() -> None:
    slow = Slow("first")
    watcher = BundleWatcher(ModelRegistry(slow))
    watcher.open()
    await asyncio.wait_for(slow.starting.wait(), 20)
    await asyncio.wait_for(watcher.close(), 20)
    assert slow.stopped
