"""The models that are served, each by an engine of its own."""

import asyncio
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from model.contract import Manifest
from service.engine.base import Engine
from service.errors import ModelMismatchError, ModelNotFoundError, NotReadyError


class ModelRegistry:
    """Finds engines by model, and counts their users.

    Used on the event loop's thread only, except `manifest_of`. A model is `name@revision`; a name
    alone means its newest revision.

    Args:
        default: engine that serves requests which name no model.
        complete: whether no more are to be loaded.
    """

    def __init__(self, default: Engine, *, complete: bool = False) -> None:
        self.complete = complete
        self._served = {default.manifest.model: default}
        self._default_name = default.manifest.name
        self._uses: Counter[Engine] = Counter()
        self._awaited: dict[Engine, asyncio.Event] = {}

    @property
    def engines(self) -> tuple[Engine, ...]:
        """All that are served, in any order."""
        return tuple(self._served.values())

    @property
    def listed(self) -> tuple[Engine, ...]:
        """All that are served, the default first, then by name, the newest revision first."""
        newest_first = sorted(self._served.values(), key=_age, reverse=True)
        by_name = sorted(newest_first, key=lambda engine: engine.manifest.name)
        return tuple(sorted(by_name, key=lambda engine: engine is not self.default))

    @property
    def default(self) -> Engine:
        """The engine for requests that name no model."""
        return self._newest(self._default_name)

    @property
    def ready(self) -> bool:
        """All bundles found at the start have been loaded or refused, and the default is ready."""
        return self.complete and self.default.ready

    @property
    def failure(self) -> str | None:
        """Why some engine will never answer again, if so."""
        return next(filter(None, (engine.failure for engine in self.engines)), None)

    def find(self, asked: str | None) -> Engine:
        """The engine for a new session: by name, by name@revision, or None for the default.

        Raises:
            ModelNotFoundError.
            NotReadyError: it may be among those still to be loaded.
        """
        if asked is None:
            return self.default
        if asked in self._served:
            return self._served[asked]
        if all(engine.manifest.name != asked for engine in self._served.values()):
            self._require_complete()
            raise ModelNotFoundError(f"no model {asked!r}: {self._offer()}").at("model")
        return self._newest(asked)

    def of_session(self, model: str) -> Engine:
        """The engine that made a session's prototypes; no other can use them.

        Raises:
            ModelMismatchError: it is not served, or no longer.
            NotReadyError: it may be among those still to be loaded.
        """
        if model not in self._served:
            self._require_complete()
            raise ModelMismatchError(
                f"the session was made by {model}, which is not served here; register its classes "
                f"again in a new session, or have {model} served again: {self._offer()}"
            )
        return self._served[model]

    def manifest_of(self, model: str) -> Manifest | None:
        """The manifest of a served model; None if it is not served. May be called on any thread."""
        engine = self._served.get(model)
        return None if engine is None else engine.manifest

    @contextmanager
    def use(self, engine: Engine) -> Iterator[None]:
        """A block in which an engine is not stopped, though it may no longer be found."""
        self._uses[engine] += 1
        try:
            yield
        finally:
            self._uses[engine] -= 1
            if not self._uses[engine]:
                del self._uses[engine]
                if engine in self._awaited:
                    self._awaited.pop(engine).set()

    async def unused(self, engine: Engine) -> None:
        """Return once no block holds an engine."""
        while engine in self._uses:
            await self._awaited.setdefault(engine, asyncio.Event()).wait()

    def switch(self, engines: Iterable[Engine], default_name: str) -> None:
        """From now on serve these; at least one of them has the default name."""
        self._served = {engine.manifest.model: engine for engine in engines}
        self._default_name = default_name

    def _require_complete(self) -> None:
        if not self.complete:
            raise NotReadyError

    def _newest(self, name: str) -> Engine:
        of_name = (each for each in self._served.values() if each.manifest.name == name)
        return max(of_name, key=_age)

    def _offer(self) -> str:
        return "there is " + ", ".join(engine.manifest.model for engine in self.listed)


def _age(engine: Engine) -> list[tuple[int, str]]:
    """Greater for newer: revisions by their numbers as numbers, so that 10 comes after 9."""
    parts = re.findall(r"\d+|\D+", engine.manifest.revision)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
