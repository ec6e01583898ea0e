"""One bundle on one device: its lanes and their worker."""

import asyncio
import gc
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from model.contract import (
    InvalidBundleError,
    Manifest,
    Precision,
    SupportPrototype,
    SupportSet,
)
from model.runtime import (
    BundleRuntime,
    CellsOutput,
    Device,
    Encoded,
    HeadOutput,
)
from service.engine.base import Coverage, ImageU8
from service.engine.costs import Costs
from service.engine.device_metrics import DeviceMetrics
from service.engine.encoding_cache import Digest, EncodingCache, digests_of
from service.engine.engine_resources import DeviceResources
from service.engine.lane import Lane, Payload, Result
from service.engine.options import EngineOptions
from service.engine.priority import lower_priority
from service.engine.stages import CellsTask, EncodeTask, HeadTask, PrototypeTask, Stages
from service.engine.warm_up import warm_up
from service.engine.worker import Worker
from service.telemetry import StageName, stage

T = TypeVar("T")

_FINISHING, _BEGINNING = 1, 0  # the last stages go first, so that little is held between stages


class Pipeline:
    """Serves a bundle on one device.

    Queries and supports are encoded in lanes of their own, which take turns with each other and
    with the cells of refits, so none can starve another. The lanes of prototypes and of the head go
    before these, so that little is held between stages.

    To be made on a thread of low priority, which the threads of its graphs inherit.

    Args:
        encoder: identity under which encodings are cached; one object for all devices of a bundle.
        bundle: directory of the bundle.
        manifest: of the bundle when it was accepted.
        device: to run on.
        resources: the device's lock and encoding cache, shared with other bundles' pipelines.
        precision: which tier of the bundle to run.
        options: bounds and resources.
        clock: seconds, monotonic; deadlines are measured on it.
        metrics: of the device.

    Raises:
        InvalidBundleError: another bundle has taken its place on disk since it was accepted.
        model.runtime.DeviceUnavailableError: onnxruntime cannot use the device.
        TimeoutError: others keep the device for longer than `options.stuck_s`.
        RuntimeError: or whatever onnxruntime raises where the device cannot run the graphs.
    """

    def __init__(
        self,
        *,
        encoder: object,
        bundle: Path,
        manifest: Manifest,
        device: Device,
        resources: DeviceResources,
        precision: Precision,
        options: EngineOptions,
        clock: Callable[[], float],
        metrics: DeviceMetrics,
    ) -> None:
        self.manifest = manifest
        self._encoder, self._resources = encoder, resources
        self._bundle, self._device, self._precision = bundle, device, precision
        self._options = options
        self._costs = Costs()
        self._metrics = metrics
        self._stages = self._load(options.batch_sizes)
        sizes, wait_s = options.batch_sizes, options.batch_wait_s
        self._queries = Lane("query", self._encode, sizes, _BEGINNING, wait_s)
        self._supports = Lane("support", self._encode, sizes, _BEGINNING, wait_s)
        self._prototypes = Lane("prototype", self._prototype, sizes, _FINISHING)
        # Each takes seconds of the CPU and cannot be cancelled: on the loop's default threads,
        # everything else would wait behind them.
        self._fits = ThreadPoolExecutor(1, thread_name_prefix="fit", initializer=lower_priority)
        pairs = range(1, options.max_batch_pairs + 1)
        self._heads = Lane("head", self._head, pairs, _FINISHING, weigh=_pairs)
        self._cells = Lane("cells", self._cell, (1,), _BEGINNING)
        self.worker = Worker(
            str(device),
            (self._queries, self._supports, self._prototypes, self._heads, self._cells),
            device_lock=resources.device_lock,
            revive=self._revive,
            clock=clock,
            on_batch=self._metrics.batch_done,
        )

    @property
    def cache(self) -> EncodingCache:
        """The encodings on the device."""
        return self._resources.cache

    def start(self) -> None:
        """Begin to take work; once."""
        self.worker.start()
        self._metrics.watch(self.worker.lanes)

    def stop(self) -> None:
        """Stop the worker, and start no further fit."""
        self._fits.shutdown(wait=False, cancel_futures=True)
        self.worker.stop()

    def cost_s(self, images: int, pairs: int) -> float:
        """See `Costs.cost_s`."""
        return self._costs.cost_s(images, pairs)

    def adaptation_s(self, shots: int) -> float:
        """See `Costs.adaptation_s`."""
        return self._costs.adaptation_s(shots)

    async def register(
        self, images: Sequence[ImageU8], masks: Sequence[Coverage], deadline_at: float
    ) -> tuple[SupportPrototype, ...]:
        """One prototype for each support."""
        tasks = [EncodeTask(image, mask) for image, mask in zip(images, masks, strict=True)]
        encoded = await self._run("encode", self._supports, tasks, deadline_at)
        pairs = [PrototypeTask(e, mask) for e, mask in zip(encoded, masks, strict=True)]
        return tuple(await self._run("prototype", self._prototypes, pairs, deadline_at))

    async def cells(
        self,
        name: StageName,
        encoded: Sequence[Encoded],
        classes: Sequence[SupportSet],
        deadline_at: float,
    ) -> list[CellsOutput]:
        """What a refit is fitted on, for each encoded image and the class beside it."""
        tasks = [CellsTask(*each) for each in zip(encoded, classes, strict=True)]
        return await self._run(name, self._cells, tasks, deadline_at)

    async def fit(self, function: Callable[[], T]) -> T:
        """Run arithmetic of a fit, which may take seconds, on the thread that is kept for it."""
        with stage("adapt"):
            return await asyncio.get_running_loop().run_in_executor(self._fits, function)

    async def encode(
        self, images: Sequence[ImageU8], digests: Sequence[Digest], deadline_at: float
    ) -> list[Encoded]:
        """Encode query images, or take them from the cache."""
        return await self._encode_new("encode", self._queries, images, digests, deadline_at)

    async def encode_supports(
        self, name: StageName, images: Sequence[ImageU8], deadline_at: float
    ) -> list[Encoded]:
        """Encode supports as queries, for leave-one-out predictions."""
        digests = await digests_of(images, self._encoder)
        return await self._encode_new(name, self._supports, images, digests, deadline_at)

    async def _encode_new(
        self,
        name: StageName,
        lane: Lane[EncodeTask, Encoded],
        images: Sequence[ImageU8],
        digests: Sequence[Digest],
        deadline_at: float,
    ) -> list[Encoded]:
        # After a restart, encodings of the lost device must not enter the new one's cache.
        cache = self.cache
        held = [cache.find(key) for key in digests]
        asked = zip(digests, images, held, strict=True)
        self._metrics.looked_up(sum(each is not None for each in held), held.count(None))
        missing = {key: image for key, image, found in asked if found is None}
        tasks = [EncodeTask(image) for image in missing.values()]
        encoded = await self._run(name, lane, tasks, deadline_at)
        fresh = dict(zip(missing, encoded, strict=True))
        for key, each in fresh.items():
            cache.keep(key, each)
        return [found or fresh[key] for key, found in zip(digests, held, strict=True)]

    async def segment(
        self,
        encoded: Sequence[Encoded],
        classes: Sequence[Sequence[SupportSet]],
        deadline_at: float,
    ) -> list[HeadOutput]:
        """Predictions of its own classes in each encoded image."""
        tasks = [HeadTask(e, tuple(each)) for e, each in zip(encoded, classes, strict=True)]
        return await self._run("head", self._heads, tasks, deadline_at)

    async def segment_each(
        self,
        images: Sequence[ImageU8],
        classes: Sequence[Sequence[SupportSet]],
        deadline_at: float,
    ) -> list[HeadOutput]:
        """Predictions of each image's own classes; the images are supports, taken as queries."""
        encoded = await self.encode_supports("encode", images, deadline_at)
        tasks = [
            HeadTask(e, tuple(each), keep=False) for e, each in zip(encoded, classes, strict=True)
        ]
        return await self._run("head", self._heads, tasks, deadline_at)

    async def _run(
        self,
        name: StageName,
        lane: Lane[Payload, Result],
        payloads: Sequence[Payload],
        deadline_at: float,
    ) -> list[Result]:
        """Submit payloads and await all results; whatever ends the wait withdraws the rest."""
        items = self.worker.submit(lane, payloads, deadline_at=deadline_at)
        try:
            results = await asyncio.gather(*(asyncio.wrap_future(item.future) for item in items))
        finally:
            for item in items:
                item.future.cancel()
        if items:
            self._metrics.request_done(name, items)
            self._costs.learn(name, lane, items)
        return results

    def _encode(self, tasks: Sequence[EncodeTask]) -> list[Encoded]:
        return self._stages.encode(tasks)

    def _prototype(self, tasks: Sequence[PrototypeTask]) -> list[SupportPrototype]:
        return self._stages.prototypes(tasks)

    def _head(self, tasks: Sequence[HeadTask]) -> list[HeadOutput]:
        return self._stages.head(tasks)

    def _cell(self, tasks: Sequence[CellsTask]) -> list[CellsOutput]:
        return self._stages.cells(tasks)

    def _revive(self) -> None:
        # What the old graphs and their encodings hold may be all the memory that the device has.
        self._resources.lose_encodings()
        with suppress(AttributeError):  # the last attempt failed
            del self._stages
        gc.collect()  # errors of failed batches are in cycles with what these had encoded
        self._stages = self._load((1,))  # callers wait: the other sizes are warmed by requests
        self._metrics.restarted()

    def _load(self, sizes: Sequence[int]) -> Stages:
        """The bundle on the device, once all graphs and these batch sizes have run there."""
        options = self._options
        runtime = BundleRuntime(
            self._bundle,
            device=self._device,
            precision=self._precision,
            intra_op_threads=options.intra_op_threads,
            memory_limit_bytes=options.gpu_memory_bytes,
            # On a CPU a class is laid out in a tenth of a millisecond, and nothing is copied.
            class_cache_bytes=0 if self._device.kind == "cpu" else options.class_cache_bytes,
        )
        if runtime.manifest != self.manifest:
            raise InvalidBundleError(f"{self._bundle} is another bundle by now: have it reloaded")
        stages = Stages(
            runtime,
            max_pairs=options.max_batch_pairs,
            max_padded_shots=options.max_batch_shots,
        )
        side, lock = runtime.manifest.input_side, self._resources.device_lock
        warm_up(stages, side, sizes, lock, stuck_s=options.stuck_s)
        return stages


def _pairs(task: HeadTask) -> int:
    return len(task.classes)
