"""Follows the bundles on disk: loads new ones and switches to them without a pause."""

import asyncio
import logging
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path

from model.contract import InvalidBundleError, Manifest, MissingTierError
from service.engine.base import Engine
from service.engine.bundle_folder import BundleFolder
from service.engine.model_registry import ModelRegistry

_log = logging.getLogger(__name__)


def _nothing() -> None: ...


REFUSALS = (InvalidBundleError, MissingTierError, OSError)


class BundleWatcher:
    """Loads bundles in the background and switches to them; used on the event loop's thread.

    A bundle that is refused changes nothing: the one that its directory held before stays in
    service. A bundle whose directory is gone is stopped once nobody uses it.

    Args:
        models: the registry of served models; at first the default alone.
        bundles: where bundles are looked for; None: the default stays the only one.
        load: creates the engine of a directory without starting it; called on another thread.
        watch_s: how often to look for changes on disk; 0: only when told to.
        on_switch: called after every reload, and once the first bundle is served.
    """

    def __init__(
        self,
        models: ModelRegistry,
        bundles: BundleFolder | None = None,
        load: Callable[[Path], Engine] | None = None,
        *,
        watch_s: float = 0.0,
        on_switch: Callable[[], None] = _nothing,
    ) -> None:
        self.models = models
        self.refused = 0
        self._bundles, self._load = bundles, load
        self._watch_s, self._on_switch = watch_s, on_switch
        self._held: dict[Path, Engine] = {}
        self._weights = {models.default.manifest.model: _weights(models.default.manifest)}
        if bundles is not None:
            self._held[bundles.bundle] = models.default
        self._asked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._retiring: dict[Engine, asyncio.Task[None]] = {}
        self._last_fingerprint: Hashable = None

    def open(self) -> None:
        """Begin to load what there is, in the background."""
        self._task = asyncio.create_task(self._run())

    def reload(self) -> None:
        """Check the bundles again soon; may be called at any rate."""
        self._asked.set()

    async def close(self) -> None:
        """Stop all engines; what is being loaded is given up."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])  # whatever it raised, the engines must stop
            if not self._task.cancelled() and (error := self._task.exception()) is not None:
                _log.error("bundles not watched to the end", exc_info=error)
        retiring = dict(self._retiring)
        for task in retiring.values():
            task.cancel()
        await asyncio.gather(*retiring.values(), return_exceptions=True)
        await asyncio.gather(*(engine.stop() for engine in (*self.models.engines, *retiring)))

    async def _run(self) -> None:
        await self.models.default.start()
        bundles = self._bundles
        if bundles is not None and bundles.folder is not None:
            self._last_fingerprint = await self._fingerprint(bundles)
            await self._reload(bundles)
        self.models.complete = True
        self._on_switch()
        while bundles is not None:
            await self._until_asked(bundles)
            await self._reload(bundles)

    async def _until_asked(self, bundles: BundleFolder) -> None:
        """Return when told to reload, or when something has changed and is stable again."""
        before = self._last_fingerprint
        while not self._asked.is_set():
            try:
                async with asyncio.timeout(self._watch_s or None):
                    await self._asked.wait()
            except TimeoutError:
                now = await self._fingerprint(bundles)
                if now == before and now != self._last_fingerprint:
                    self._last_fingerprint = now
                    return
                before = now
        self._asked.clear()
        self._last_fingerprint = await self._fingerprint(bundles)

    async def _fingerprint(self, bundles: BundleFolder) -> Hashable:
        try:
            return await asyncio.to_thread(bundles.fingerprint)
        except Exception:  # noqa: BLE001 - told when the bundles are loaded
            return None

    async def _reload(self, bundles: BundleFolder) -> None:
        """Serve the bundles that are there now, as far as possible; later ones are still tried."""
        held: dict[Path, Engine] = {}
        try:
            await self._serve(await asyncio.to_thread(bundles.directories), held, bundles)
        except OSError as exc:
            _log.error("bundles not readable", extra={"error": type(exc).__name__})
        except Exception:  # noqa: BLE001 - what is served stays in service
            _log.exception("bundles not reloaded")
        finally:
            for engine in set(held.values()) - set(self._held.values()):
                await engine.stop()

    async def _serve(
        self, directories: Sequence[Path], held: dict[Path, Engine], bundles: BundleFolder
    ) -> None:
        """Fill `held` with the engines of directories, and then serve these and no others."""
        refused = 0
        # Known ones first: then it is a copy of one that is refused, not the original.
        for directory in sorted(directories, key=lambda path: path not in self._held):
            try:
                engine = await self._engine_of(directory, held)
            except Exception as exc:  # noqa: BLE001 - one bundle's trouble is not another's
                known = isinstance(exc, REFUSALS)
                _log.error(
                    "bundle refused",
                    exc_info=None if known else exc,
                    extra={"bundle": directory.name, "reason": str(exc)},
                )
                refused += 1
                if directory not in self._held:
                    continue
                engine = self._held[directory]
            held[directory] = engine
        gone = set(self._held.values()) - set(held.values())
        self._held, self.refused = held, refused
        self.models.switch(held.values(), held[bundles.bundle].manifest.name)
        for engine in gone:
            self._retiring[engine] = asyncio.create_task(self._retire(engine))
        self._on_switch()
        _log.info("models served", extra={"models": [e.manifest.model for e in self.models.listed]})

    async def _engine_of(self, directory: Path, beside: dict[Path, Engine]) -> Engine:
        """The engine of a directory, started; the one there is if the bundle is the same.

        Args:
            directory: of a bundle.
            beside: engines of other directories, which may not hold the same model.

        Raises:
            InvalidBundleError, MissingTierError, OSError.
        """
        load = self._load
        if load is None:
            raise TypeError("bundles are looked for, and there is nothing to load them with")
        fresh = await asyncio.to_thread(load, directory)
        held = self._held.get(directory)
        if held is not None and held.manifest == fresh.manifest and held.failure is None:
            return held
        require_own_revision(fresh.manifest, [each.manifest for each in beside.values()])
        self._require_same_weights(fresh.manifest)
        await fresh.start()
        if fresh.failure is not None:
            reason = fresh.failure
            await fresh.stop()
            raise InvalidBundleError(reason)
        self._weights[fresh.manifest.model] = _weights(fresh.manifest)
        return fresh

    def _require_same_weights(self, manifest: Manifest) -> None:
        """Refuse other weights under a known name and revision, to which sessions are bound.

        This includes models that are not served any more: their sessions may still exist.
        """
        if self._weights.get(manifest.model, _weights(manifest)) != _weights(manifest):
            raise InvalidBundleError(
                f"{manifest.model} was served with other graphs; give these another revision"
            )

    async def _retire(self, engine: Engine) -> None:
        """Stop an engine that was replaced, once the last request that uses it is answered."""
        await self.models.unused(engine)
        await engine.stop()
        del self._retiring[engine]
        _log.info("model unloaded", extra={"model": engine.manifest.model})


def require_own_revision(manifest: Manifest, others: Iterable[Manifest]) -> None:
    """One model comes from one directory.

    Raises:
        InvalidBundleError.
    """
    if any(other.model == manifest.model for other in others):
        raise InvalidBundleError(f"{manifest.model} comes from another directory already")


def _weights(manifest: Manifest) -> Hashable:
    """What the prototypes in sessions of a model depend on."""
    return manifest.model_dump_json(include={"graphs", "gates"})
