"""Creates the engines of the bundles that the settings name."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

from model.contract import BundleKey
from model.runtime import Device
from service import __version__
from service.engine import (
    BundleFolder,
    BundleWatcher,
    Engine,
    EngineOptions,
    EngineResources,
    FakeEngine,
    ModelRegistry,
    OnnxEngine,
    available_cpus,
    parse_devices,
)
from service.settings import Settings
from service.telemetry import EngineMetrics, Metrics


def create_engine(settings: Settings) -> Engine:
    """The engine of the bundle that the settings name first, not started."""
    return create_loader(settings)(settings.bundle)


def create_bundle_watcher(settings: Settings, metrics: Metrics) -> BundleWatcher:
    """A watcher of the bundles that the settings name, not opened."""
    load = create_loader(settings, metrics.engine)
    models = ModelRegistry(load(settings.bundle))
    if settings.engine == "fake":
        return BundleWatcher(models)
    return BundleWatcher(
        models,
        create_bundle_folder(settings),
        load,
        watch_s=settings.bundles_watch_s,
        on_switch=partial(describe_build, metrics, models),
    )


def create_bundle_folder(settings: Settings) -> BundleFolder:
    """Where bundles are looked for."""
    return BundleFolder(settings.bundle, settings.bundles)


def create_loader(
    settings: Settings, metrics: EngineMetrics | None = None
) -> Callable[[Path], Engine]:
    """A function that creates engines of bundles, not started, which share the devices.

    Raises:
        model.contract.BundleKeyError: the settings name a key that bundles cannot be checked with.
    """
    if settings.engine == "fake":
        return lambda _: FakeEngine()
    key = None if settings.bundle_key is None else BundleKey(settings.bundle_key)
    if settings.engine == "ray":
        return _ray_loader(settings, key)
    options = engine_options(settings, parse_devices(settings.devices), available_cpus())
    resources = EngineResources(options)
    return partial(OnnxEngine, options=options, metrics=metrics, resources=resources, key=key)


def _ray_loader(settings: Settings, key: BundleKey | None) -> Callable[[Path], Engine]:
    """A loader of pool engines; replicas see the GPUs Ray gives them, numbered from 0."""
    # Here and not above: Ray takes long to import, and most run without it.
    from service.engine.ray_pool import PoolOptions, RayEngine

    devices = parse_devices(settings.devices if settings.devices != "auto" else "cpu")
    if settings.devices == "auto" and settings.ray_num_gpus:
        devices = tuple(Device("cuda", each) for each in range(math.ceil(settings.ray_num_gpus)))
    pool = PoolOptions(
        num_cpus=settings.ray_num_cpus,
        num_gpus=settings.ray_num_gpus,
        min_replicas=settings.ray_min_replicas,
        max_replicas=settings.ray_max_replicas,
        target_requests=settings.ray_target_requests,
        max_ongoing=settings.ray_max_ongoing,
        max_queued=settings.ray_max_queued,
        drain_s=settings.drain_s,
    )
    options = engine_options(settings, devices, max(1, int(settings.ray_num_cpus)))
    # A replica reads a class anew for every request, so none would be found again.
    options = options._replace(class_cache_bytes=0, prediction_cache_bytes=0)
    return partial(RayEngine, options=options, pool=pool, key=key)


def engine_options(settings: Settings, devices: tuple[Device, ...], threads: int) -> EngineOptions:
    """The options of an engine on devices; shares of the CPU divide its `threads` among them."""
    shares = sum(device.kind == "cpu" for device in devices)
    return EngineOptions(
        devices=devices,
        precision=settings.precision,
        intra_op_threads=settings.intra_op_threads or max(1, threads // max(1, shares)),
        gpu_memory_bytes=settings.gpu_memory_bytes or None,
        batch_sizes=settings.batch_sizes,
        max_batch_pairs=settings.max_batch_pairs,
        max_batch_shots=settings.max_batch_shots,
        batch_wait_s=settings.batch_wait_s,
        max_queued_images=settings.max_queued_images,
        encode_cache_bytes=settings.encode_cache_bytes,
        prediction_cache_bytes=settings.prediction_cache_bytes,
        class_cache_bytes=settings.class_cache_bytes,
        stuck_s=settings.stuck_s,
        deadline_s=settings.deadline_s,
    )


def describe_build(metrics: Metrics, models: ModelRegistry) -> None:
    """Tell the metrics which version, networks and devices run here."""
    metrics.describe_build(
        version=__version__,
        model=",".join(engine.manifest.model for engine in models.listed),
        provider=",".join(models.default.devices),
    )
