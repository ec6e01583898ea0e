"""Bundles that are loaded while the service ends."""

from pathlib import Path

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


async def test_an_engine_that_was_started_while_all_close_is_stopped(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / MANIFEST_FILE).touch()
    engines = {name: Noted(name) for name in ("first", "a", "b")}

    class Last(Noted):
        async def start(self) -> None:
            await super().start()
            watcher._closing = True  # as `close` does, which then waits for this

    engines["a"] = Last("a")
    watcher = BundleWatcher(
        ModelRegistry(engines["first"]),
        BundleFolder(tmp_path / "first", tmp_path),
        lambda path: engines[path.name],
    )
    watcher.open()
    assert watcher._task is not None
    await watcher._task
    await watcher.close()
    assert [engines[name].stopped for name in ("first", "a")] == [True, True]
    assert not engines["b"].ready
