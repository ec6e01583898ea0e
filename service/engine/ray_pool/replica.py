"""One replica of the pool: a whole `OnnxEngine` on the GPUs and CPUs that Ray gives it.

Requests that arrive together are batched by the engine's lanes, so Serve's own `@serve.batch` has
no part in it: that would batch whole requests, of any number of images and classes, where the
lanes batch images and pairs, at every stage again and without waiting.
"""

from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray import serve

from model.contract import InvalidBundleError, Manifest, SupportSet
from model.runtime import Adapt
from service.engine.onnx import OnnxEngine
from service.engine.options import EngineOptions
from service.engine.ray_pool.reply import Reply, StageTime, stage_times
from service.errors import ServiceError
from service.telemetry import collect_stages


class EngineReplica:
    """The deployment's class.

    Args:
        bundle: directory of the bundle on every node of the pool.
        expected: the manifest that the HTTP tier has.
        options: of the engine.
        revision: a digest of all that the pool was made with.

    Raises:
        InvalidBundleError: the directory holds another bundle here than there.
        RuntimeError: the engine did not start.
    """

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self, bundle: str, expected: Manifest, options: EngineOptions, revision: str
    ) -> None:
        self._engine = OnnxEngine(Path(bundle), options)
        if self._engine.manifest != expected:
            raise InvalidBundleError(
                f"{bundle} on this node holds {self._engine.manifest.name}"
                f"@{self._engine.manifest.revision}, not the bundle that the HTTP tier has; "
                "put the same files there on every node"
            )
        self._revision = revision
        self._replica = serve.get_replica_context().replica_id.unique_id
        await self._engine.start()
        self.check_health()

    def check_health(self) -> None:
        """Tell Serve to replace the replica once its devices will not come back.

        Raises:
            RuntimeError.
        """
        if self._engine.failure is not None:
            raise RuntimeError(self._engine.failure)

    async def greet(self) -> Reply:
        """The pool's revision, by a replica that is ready."""
        return self._reply(self._revision, ())

    async def register(
        self, images: NDArray[np.uint8], masks: NDArray[np.float32], adapt: Adapt
    ) -> Reply:
        """See `Engine.register`; images (N, S, S, 3) and masks (N, S, S)."""
        return await self._answer(self._engine.register(list(images), list(masks), adapt=adapt))

    async def segment(self, images: NDArray[np.uint8], classes: Sequence[SupportSet]) -> Reply:
        """See `Engine.segment`; images (N, S, S, 3)."""
        return await self._answer(self._engine.segment(list(images), classes))

    async def segment_each(
        self, images: NDArray[np.uint8], classes: Sequence[Sequence[SupportSet]]
    ) -> Reply:
        """See `Engine.segment_each`; images (N, S, S, 3)."""
        return await self._answer(self._engine.segment_each(list(images), classes))

    async def _answer(self, work: Awaitable[Any]) -> Reply:
        result: Any
        with collect_stages() as times:
            try:
                result = await work
            except ServiceError as error:
                result = error
        return self._reply(result, stage_times(times))

    def _reply(self, result: Any, stages: Sequence[StageTime]) -> Reply:
        return Reply(self._replica, result, self._engine.wait_s(0), stages)
