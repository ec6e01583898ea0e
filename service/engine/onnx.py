"""The engine that serves: a bundle in onnxruntime behind a micro-batching worker."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from model.contract import Manifest, SupportSet, load_manifest
from model.runtime import BundleRuntime, fit_refit
from service.engine.admission import Admission
from service.engine.base import Answers, Coverage, EngineCounters, ImageU8
from service.engine.stages import CellsJob, EncodeJob, HeadJob, PrototypeJob, Stages
from service.engine.worker import Lane, Payload, Result, Worker
from service.errors import NotReadyError
from service.telemetry import stage

_log = logging.getLogger(__name__)

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class EngineOptions(NamedTuple):
    """Bounds and resources of an `OnnxEngine`; `service.settings` says what each means."""

    device: Literal["cpu", "cuda"] = "cpu"
    intra_op_threads: int = 1
    max_batch_images: int = 8
    max_batch_pairs: int = 32
    max_batch_shots: int = 64
    batch_wait_s: float = 0.0
    max_queued_images: int = 256
    deadline_s: float = 60.0


class OnnxEngine:
    """Serves a bundle; images of all sessions share encoder batches.

    Args:
        bundle: directory of the bundle.
        options: bounds and resources.
        clock: seconds, monotonic; deadlines are measured on it.

    Raises:
        model.contract.InvalidBundleError: the directory is not an intact bundle.
    """

    def __init__(
        self,
        bundle: Path,
        options: EngineOptions = EngineOptions(),  # noqa: B008 - immutable
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.manifest: Manifest = load_manifest(bundle)
        self.counters = EngineCounters()
        self.failure: str | None = None
        self._bundle = bundle
        self._options = options
        self._clock = clock
        self._admission = Admission(options.max_queued_images, "images")
        self._pipeline: _Pipeline | None = None

    @property
    def ready(self) -> bool:
        """A real inference has succeeded and the worker is alive."""
        return self._pipeline is not None and self._pipeline.worker.alive

    async def start(self) -> None:
        """Load the graphs, run all three once, and take work; errors end up in `failure`."""
        try:
            stages = await asyncio.to_thread(self._load)
        except Exception as exc:  # noqa: BLE001 - a probe reports it, the log tells it
            self.failure = f"{type(exc).__name__}: {exc}"
            _log.exception("engine failed to start")
            return
        self._pipeline = _Pipeline(stages, self._options, self._clock)
        self._pipeline.worker.start()
        _log.info("engine ready", extra={"model": self.manifest.name})

    async def stop(self) -> None:
        """Stop taking work, answer what waits with an error, end the worker."""
        if self._pipeline is not None:
            await asyncio.to_thread(self._pipeline.worker.stop)

    async def register(
        self, images: Sequence[ImageU8], masks: Sequence[Coverage], *, adapt: bool = False
    ) -> SupportSet:
        """One prototype for each support, and a refit; see `Engine.register`."""
        pipeline = self._running()
        deadline = self._clock() + self._options.deadline_s
        encode_jobs = [EncodeJob(i, m) for i, m in zip(images, masks, strict=True)]
        with self._admission.admit(len(images)):
            with stage("encode"):
                encoded = await _run(pipeline.worker, pipeline.encode, encode_jobs, deadline)
            with stage("prototype"):
                jobs = [PrototypeJob(e, m) for e, m in zip(encoded, masks, strict=True)]
                shots = tuple(await _run(pipeline.worker, pipeline.prototype, jobs, deadline))
            if not adapt:
                return SupportSet(shots)
            with stage("adapt"):
                cells_job = CellsJob(np.stack(images), np.stack(masks), shots)
                (found,) = await _run(pipeline.worker, pipeline.cells, [cells_job], deadline)
                return SupportSet(shots, await asyncio.to_thread(fit_refit, *found))

    async def segment(self, images: Sequence[ImageU8], classes: Sequence[SupportSet]) -> Answers:
        """See `Engine.segment`."""
        pipeline = self._running()
        deadline = self._clock() + self._options.deadline_s
        encode_jobs = [EncodeJob(image) for image in images]
        with self._admission.admit(len(images)):
            with stage("encode"):
                encoded = await _run(pipeline.worker, pipeline.encode, encode_jobs, deadline)
            with stage("head"):
                jobs = [HeadJob(e, tuple(classes)) for e in encoded]
                answers = await _run(pipeline.worker, pipeline.head, jobs, deadline)
        return Answers(*(np.stack(parts) for parts in zip(*answers, strict=True)))

    def _running(self) -> "_Pipeline":
        if self._pipeline is None:
            raise NotReadyError
        return self._pipeline

    def _load(self) -> Stages:
        options = self._options
        provider = _PROVIDERS[options.device]
        runtime = BundleRuntime(
            self._bundle, providers=(provider,), intra_op_threads=options.intra_op_threads
        )
        # onnxruntime falls back to the CPU without a word when a device cannot be used.
        if runtime.providers[0] != provider:
            raise RuntimeError(f"{provider} is not available, only {runtime.providers}")
        bounds = {"max_pairs": options.max_batch_pairs, "max_padded_shots": options.max_batch_shots}
        _warm_up(Stages(runtime, EngineCounters(), **bounds), self.manifest.input_side)
        return Stages(runtime, self.counters, **bounds)


class _Pipeline:
    """The worker of a loaded bundle and its lanes, in the order work passes through them."""

    def __init__(self, stages: Stages, options: EngineOptions, clock: Callable[[], float]) -> None:
        self.encode = Lane("encode", stages.encode, options.max_batch_images, options.batch_wait_s)
        self.prototype = Lane("prototype", stages.prototypes, options.max_batch_images)
        self.head = Lane(
            "head", stages.head, options.max_batch_pairs, weigh=lambda job: len(job.classes)
        )
        self.cells = Lane("cells", stages.cells, 1)
        lanes = (self.encode, self.prototype, self.head, self.cells)
        self.worker = Worker(lanes, clock=clock)


async def _run(
    worker: Worker, lane: Lane[Payload, Result], payloads: Sequence[Payload], deadline: float
) -> list[Result]:
    """Submit payloads and await all results; whatever ends the wait withdraws the rest."""
    futures = worker.submit(lane, payloads, deadline=deadline)
    try:
        return await asyncio.gather(*(asyncio.wrap_future(future) for future in futures))
    finally:
        for future in futures:
            future.cancel()


def _warm_up(stages: Stages, side: int) -> None:
    """A real inference through all three graphs on a grey image with an object in its middle."""
    image = np.full((side, side, 3), 127, np.uint8)
    mask = np.zeros((side, side), np.float32)
    mask[side // 4 : -(side // 4), side // 4 : -(side // 4)] = 1.0
    support, query = stages.encode([EncodeJob(image, mask), EncodeJob(image)])
    shots = stages.prototypes([PrototypeJob(support, mask)])
    stages.head([HeadJob(query, (SupportSet(tuple(shots)),))])
