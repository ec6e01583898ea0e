"""The engine that serves: a bundle in onnxruntime on one or more devices."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from model.contract import BundleKey, Manifest, SupportSet, load_manifest
from model.runtime import Adapt, Device, HeadOutput, resolve_precision
from service.engine.adaptation import adapt_class
from service.engine.base import Coverage, ImageU8, Predictions
from service.engine.detached import detached
from service.engine.device_metrics import DeviceMetrics
from service.engine.encoding_cache import Digest, digests_of
from service.engine.engine_resources import EngineResources
from service.engine.options import EngineOptions
from service.engine.pipeline import Pipeline
from service.engine.priority import lower_priority
from service.engine.routing import Load, best_device
from service.errors import NotReadyError
from service.telemetry import EngineMetrics

_log = logging.getLogger(__name__)

# Of a load that is given up: a process that ends while graphs run in it may crash.
_LOAD_GRACE_S = 5.0


class OnnxEngine:
    """Serves a bundle; images of all sessions share encoder batches.

    All of a request goes to one device; see `best_device`.

    Args:
        bundle: directory of the bundle.
        options: bounds and resources.
        clock: seconds, monotonic; deadlines are measured on it.
        metrics: receives figures of batches, queues, caches and devices.
        resources: shared with the engines of other bundles, which have the same options.
        key: the public key that the bundle must be signed with, if any.

    Raises:
        model.contract.InvalidBundleError: the directory is not an intact bundle.
        model.contract.MissingTierError: it has no graphs of the precision that is asked for.
    """

    def __init__(
        self,
        bundle: Path,
        options: EngineOptions,
        *,
        clock: Callable[[], float] = time.monotonic,
        metrics: EngineMetrics | None = None,
        resources: EngineResources | None = None,
        key: BundleKey | None = None,
    ) -> None:
        self.manifest: Manifest = load_manifest(bundle, key)
        self._precisions = {
            device: resolve_precision(options.precision, self.manifest, [device.provider])
            for device in options.devices
        }
        self.devices = {str(device): each for device, each in self._precisions.items()}
        self._bundle = bundle
        self._options = options
        self._clock = clock
        self._metrics = metrics or EngineMetrics()
        self._model_metrics = self._metrics.of(self.manifest.model)
        self._resources = resources or EngineResources(options)
        self._pipelines: tuple[Pipeline, ...] = ()
        self._start_failure: str | None = None

    @property
    def ready(self) -> bool:
        """A real inference has succeeded on some device that works on."""
        return any(self._works(pipeline) for pipeline in self._pipelines)

    @property
    def failure(self) -> str | None:
        """Why no device will ever answer, if so."""
        if self._start_failure is not None:
            return self._start_failure
        failures = [self._failure_of(pipeline) for pipeline in self._pipelines]
        if not failures or not all(failures):
            return None
        return "; ".join(filter(None, failures))

    def wait_s(self, inside: int) -> float:
        """See `Engine.wait_s`; devices share the work of all bundles."""
        if not self._pipelines:
            return 0.0
        working = [each for each in self._pipelines if self._works(each)] or self._pipelines
        coming = max(0, inside - self._resources.pending_requests)
        single_s = sum(each.cost_s(1, 1) for each in working) / len(working)
        ahead_s = self._resources.pending_s + coming * single_s
        return self._resources.looks * ahead_s / len(working)

    def cost_s(self, images: int, classes: int) -> float:
        """See `Engine.cost_s`; on the fastest device."""
        pairs = images * classes
        return min((each.cost_s(images, pairs) for each in self._pipelines), default=0.0)

    async def start(self) -> None:
        """Load the graphs, run all of them once, and take work; errors end up in `failure`."""
        pipelines: list[Pipeline] = []
        try:
            for device in self._options.devices:
                load = partial(self._load, device)
                pipelines.append(await detached(load, name=f"load-{device}", grace_s=_LOAD_GRACE_S))
            for pipeline in pipelines:
                pipeline.start()
        except Exception as exc:  # noqa: BLE001 - a probe reports it, the log tells it
            self._start_failure = f"{type(exc).__name__}: {exc}"
            _log.exception("engine failed to start")
            await _stop_all(pipelines)
            return
        self._pipelines = tuple(pipelines)
        self._metrics.watch_cache(lambda: self._resources.cached_bytes)
        _log.info("engine ready", extra={"model": self.manifest.model, "devices": self.devices})

    async def stop(self) -> None:
        """Stop taking work, answer what waits with an error, end the workers."""
        pipelines, self._pipelines = self._pipelines, ()
        await _stop_all(pipelines)
        for pipeline in pipelines:
            pipeline.cache.forget(self)
        self._resources.predictions.forget(self)
        self._model_metrics.forget()

    async def register(
        self, images: Sequence[ImageU8], masks: Sequence[Coverage], *, adapt: Adapt = False
    ) -> SupportSet:
        """One prototype for each support, and an adaptation; see `Engine.register`."""
        deadline_at = self._clock() + self._options.deadline_s
        pipeline = self._pipeline_for(())
        adaptation_s = pipeline.adaptation_s(len(images)) if adapt else 0.0
        with (
            self._resources.images.admit(len(images)),
            self._resources.reserve(pipeline.cost_s(len(images), 1) + adaptation_s),
        ):
            shots = await pipeline.register(images, masks, deadline_at)
            if not adapt:
                return SupportSet(shots)
            return await adapt_class(pipeline, images, masks, shots, adapt, deadline_at)

    async def segment(
        self, images: Sequence[ImageU8], classes: Sequence[SupportSet]
    ) -> Predictions:
        """See `Engine.segment`."""
        deadline_at = self._clock() + self._options.deadline_s
        with self._resources.images.admit(len(images)):
            digests = await digests_of(images, self)
            predictions = self._resources.predictions
            known = [predictions.find(key, classes) for key in digests]
            missing = [[each for each in classes if each not in found] for found in known]
            incomplete = [n for n, each in enumerate(missing) if each]
            # Whether the others are encoded already is counted where they are looked up.
            self._metrics.count_lookups(hits=len(images) - len(incomplete), misses=0)
            outputs = await self._predict(
                [images[n] for n in incomplete],
                [digests[n] for n in incomplete],
                [missing[n] for n in incomplete],
                deadline_at,
            )
        for n, output in zip(incomplete, outputs, strict=True):
            of_each = map(HeadOutput, *output)
            new = dict(zip(missing[n], of_each, strict=True))
            predictions.keep(digests[n], new)
            known[n] |= new
            await asyncio.sleep(0)  # many classes take milliseconds: others are let in between
        return _stacked([[found[each] for each in classes] for found in known])

    async def _predict(
        self,
        images: Sequence[ImageU8],
        digests: Sequence[Digest],
        classes: Sequence[Sequence[SupportSet]],
        deadline_at: float,
    ) -> list[HeadOutput]:
        """Logits (P, h, h) and presence (P,) of each image's own classes."""
        # First: an engine that does not run answers nothing, even from its caches.
        pipeline = self._pipeline_for(digests)
        if not images:
            return []
        new = sum(key not in pipeline.cache for key in set(digests))
        cost_s = pipeline.cost_s(new, sum(map(len, classes)))
        with self._resources.reserve(cost_s, len(images), looks=True):
            encoded = await pipeline.encode(images, digests, deadline_at)
            return await pipeline.segment(encoded, classes, deadline_at)

    async def segment_each(
        self, images: Sequence[ImageU8], classes: Sequence[Sequence[SupportSet]]
    ) -> list[Predictions]:
        """See `Engine.segment_each`."""
        deadline_at = self._clock() + self._options.deadline_s
        pipeline = self._pipeline_for(())
        pairs = sum(len(each) for each in classes)
        with (
            self._resources.images.admit(len(images)),
            self._resources.reserve(pipeline.cost_s(len(images), pairs), len(images)),
        ):
            outputs = await pipeline.segment_each(images, classes, deadline_at)
        return [Predictions._make(part[None] for part in each) for each in outputs]

    def _pipeline_for(self, digests: Sequence[Digest]) -> Pipeline:
        """That of the best device for a request of images with these digests."""
        if not self._pipelines:
            raise NotReadyError
        loads = [
            Load(self._works(each), each.worker.waiting, sum(key in each.cache for key in digests))
            for each in self._pipelines
        ]
        return self._pipelines[best_device(loads)]

    def _works(self, pipeline: Pipeline) -> bool:
        return pipeline.worker.alive and self._failure_of(pipeline) is None

    def _failure_of(self, pipeline: Pipeline) -> str | None:
        busy_s = pipeline.worker.busy_s
        if busy_s > self._options.stuck_s:
            return f"{pipeline.worker.name}: the device has not answered for {busy_s:.0f} s"
        return pipeline.worker.failure

    def _load(self, device: Device) -> Pipeline:
        lower_priority()
        return Pipeline(
            encoder=self,
            bundle=self._bundle,
            manifest=self.manifest,
            device=device,
            resources=self._resources.devices[device],
            precision=self._precisions[device],
            options=self._options,
            clock=self._clock,
            metrics=DeviceMetrics(device, self._clock, self._metrics, self._model_metrics),
        )


def _stacked(answers: Sequence[Sequence[HeadOutput]]) -> Predictions:
    """Those of several images, each with one answer for each class."""
    return Predictions(
        np.array([[each.logits for each in row] for row in answers]),
        np.array([[each.presence for each in row] for row in answers]),
        np.array([[each.corrected for each in row] for row in answers]),
    )


async def _stop_all(pipelines: Sequence[Pipeline]) -> None:
    # At the same time, since a batch that does not end holds each up.
    await asyncio.gather(*(asyncio.to_thread(each.stop) for each in pipelines))
