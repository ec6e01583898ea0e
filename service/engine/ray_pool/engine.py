"""The engine of an HTTP process whose devices are a pool of replicas in a Ray cluster."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException

from model.contract import BundleKey, Manifest, SupportPrototype, SupportSet, load_manifest
from model.runtime import Adapt, resolve_precision
from service.engine.base import Coverage, ImageU8, Predictions
from service.engine.looks import Looks
from service.engine.options import EngineOptions
from service.engine.ray_pool.backlog import Backlog
from service.engine.ray_pool.failures import as_service_error, may_join_later
from service.engine.ray_pool.pool import Handle, Pool, PoolOptions
from service.engine.ray_pool.references import Reference, References
from service.engine.ray_pool.reply import Reply
from service.errors import (
    DeadlineExceededError,
    InferenceError,
    NotReadyError,
    WorkerLostError,
)
from service.expiry import translate_expiry
from service.telemetry import current_stages
from service.units import MIB

_log = logging.getLogger(__name__)

_MAX_REFERENCED_BYTES = 64 * MIB
_JOIN_PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)


class RayEngine:
    """Sends requests to a pool; all replicas run the same precision, so their answers are the same.

    Calls depend on their arguments alone, so a call whose replica is lost is repeated once.

    Args:
        bundle: directory of the bundle, here and on every node of the pool.
        options: bounds and resources of each replica's engine.
        pool: size and bounds of the pool.
        clock: seconds, monotonic.
        sleep: pauses for seconds, between attempts to join the pool.
        key: the public key that the bundle must be signed with, if any; replicas must hold the
            same manifest.

    Raises:
        model.contract.InvalidBundleError: the directory is not an intact bundle.
        model.contract.MissingTierError: it has no graphs of the precision that is asked for.
    """

    def __init__(
        self,
        bundle: Path,
        options: EngineOptions,
        pool: PoolOptions,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        key: BundleKey | None = None,
    ) -> None:
        self.manifest: Manifest = load_manifest(bundle, key)
        providers = [device.provider for device in options.devices]
        precision = resolve_precision(options.precision, self.manifest, providers)
        self.devices = {f"ray/{device}": precision for device in options.devices}
        self.failure: str | None = None
        self.pool = Pool(bundle, self.manifest, options._replace(precision=precision), pool)
        self._deadline_s = options.deadline_s
        self._references = References(_MAX_REFERENCED_BYTES)
        self._backlog = Backlog(clock)
        self._looks = Looks()  # to a replica, every look is a request
        self._sleep = sleep
        self._handle: Handle | None = None

    @property
    def ready(self) -> bool:
        """A replica that has warmed up has answered."""
        return self._handle is not None

    def wait_s(self, inside: int) -> float:
        """See `Engine.wait_s`; the replicas' pending work, in which `inside` is contained."""
        return self._looks.mean * self._backlog.wait_s()

    def cost_s(self, images: int, classes: int) -> float:
        """Not known here: replicas tell only all of their pending work."""
        return 0.0

    async def start(self) -> None:
        """Make or join the pool, for a minute also while Ray loses parts of it.

        Errors end up in `failure`. Cancelled, it no longer tries.
        """
        for pause_s in (*_JOIN_PAUSES_S, None):
            try:
                handle = await self.pool.join()
            except Exception as exc:  # noqa: BLE001 - a probe reports it, the log tells it
                if pause_s is None or not may_join_later(exc):
                    self.failure = f"{type(exc).__name__}: {exc}"
                    _log.exception("pool not joined")
                    return
                _log.warning("pool not joined yet", extra={"cause": type(exc).__name__})
                await self._sleep(pause_s)
            else:
                break
        self._handle = handle
        _log.info("pool joined", extra={"pool": self.pool.name, "devices": self.devices})

    async def stop(self) -> None:
        """Leave the pool running: other processes use it too."""
        self._handle = None

    async def register(
        self, images: Sequence[ImageU8], masks: Sequence[Coverage], *, adapt: Adapt = False
    ) -> SupportSet:
        """See `Engine.register`."""
        async with self._deadline():
            pixels, coverage = np.stack(images), np.stack(masks)
            found: SupportSet = await self._ask("register", pixels, coverage, adapt)
        return replace(
            found,
            shots=tuple(_copied(shot) for shot in found.shots),
            refit=_own(found.refit),
            pixel_classifier=_own(found.pixel_classifier),
        )

    async def segment(
        self, images: Sequence[ImageU8], classes: Sequence[SupportSet]
    ) -> Predictions:
        """See `Engine.segment`."""
        async with self._deadline():
            reference = await self._reference(classes)
            with self._looks.look(current_stages()):
                found: Predictions = await self._ask("segment", np.stack(images), reference)
        return Predictions._make(array.copy() for array in found)

    async def segment_each(
        self, images: Sequence[ImageU8], classes: Sequence[Sequence[SupportSet]]
    ) -> list[Predictions]:
        """See `Engine.segment_each`; nobody asks about these classes again, so they go by value."""
        async with self._deadline():
            found: list[Predictions] = await self._ask("segment_each", np.stack(images), classes)
        return [Predictions._make(array.copy() for array in each) for each in found]

    def _deadline(self) -> AbstractAsyncContextManager[None]:
        """A block that lasts no longer than a request may.

        Raises:
            DeadlineExceededError.
        """
        return translate_expiry(
            asyncio.timeout(self._deadline_s),
            lambda: DeadlineExceededError("the pool did not answer in time"),
        )

    async def _reference(self, classes: Sequence[SupportSet]) -> Reference:
        """The classes in the object store.

        Raises:
            NotReadyError, QueueFullError, WorkerLostError.
        """
        self._joined()  # else Ray would start a cluster of its own to put them into
        with _errors_of_ray():
            return await asyncio.to_thread(self._references.to, classes)

    async def _ask(self, method: str, *arguments: Any) -> Any:
        """A replica's result; a call whose replica is lost is repeated once.

        Raises:
            ServiceError: see `Engine.segment`.
        """
        try:
            reply = await self._ask_once(method, *arguments)
        except WorkerLostError:
            reply = await self._ask_once(method, *arguments)
        self._backlog.tell(reply)
        return reply.unwrap()

    async def _ask_once(self, method: str, *arguments: Any) -> Reply:
        response: Any = self._joined().options(method_name=method).remote(*arguments)
        with _errors_of_ray():
            try:
                reply: Reply = await response
            except asyncio.CancelledError:
                response.cancel()  # nobody waits for it any more
                raise
        return reply

    def _joined(self) -> Handle:
        if self._handle is None:
            raise NotReadyError
        return self._handle


@contextmanager
def _errors_of_ray() -> Iterator[None]:
    """Raise what Ray's errors within the block mean to those who wait."""
    try:
        yield
    except (RayError, RayServeException) as exc:
        error = as_service_error(exc)
        if isinstance(error, InferenceError):
            _log.exception("replica failed")
        elif isinstance(error, WorkerLostError):
            _log.warning("replica lost", extra={"cause": type(exc).__name__})
        raise error from exc


def _copied(shot: SupportPrototype) -> SupportPrototype:
    """In memory of its own: what lies in the object store stays there as long as it is used."""
    return SupportPrototype(*(array.copy() for array in shot))


def _own(array: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
    """Likewise, where there is one."""
    return None if array is None else array.copy()
