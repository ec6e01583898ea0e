"""Puts the service together."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI

from model.contract import Manifest
from model.runtime import Device
from service import __version__
from service.access import Access, ClientPlaces, KeyFile, RateLimits, RateStorage
from service.api import (
    ApiContext,
    BodyLimits,
    Drain,
    RequestContext,
    SecurityHeaders,
    install_cors,
    install_error_handler,
    install_openapi,
    label_studio_router,
    metrics_router,
    routers,
)
from service.engine import (
    Admission,
    Engine,
    EngineOptions,
    FakeEngine,
    OnnxEngine,
    available_cpus,
    parse_devices,
)
from service.jobs import JobDesk, JobRunner, JobStore
from service.labelling_tools import LabelStudio, ProjectMirror
from service.sessions import CodecPool, PixelGate, Resources, model_name
from service.settings import Settings
from service.store_url import MEMORY
from service.stores import MemoryStore, SessionLimits, SessionStore, ShotSpec
from service.telemetry import EngineMetrics, Metrics
from service.web import load_files, playground_router

if TYPE_CHECKING:
    from service.engine.ray_pool import RayEngine
    from service.telemetry.tracing import Tracer


def create_app(
    settings: Settings, *, engine: Engine | None = None, store: SessionStore | None = None
) -> FastAPI:
    """The ASGI application; it loads its network while it already answers `/healthz`.

    Args:
        settings: every number of the service.
        engine: in place of the one the settings name.
        store: in place of the one the settings name.

    Raises:
        model.contract.InvalidBundleError: the settings name a bundle that is not intact.
        service.access.KeyFileError: the settings name a file of keys that cannot be used.
    """
    metrics = Metrics()
    tracer = create_tracer(settings)
    engine = engine or create_engine(settings, metrics.engine)
    resources = Resources(
        engine=engine,
        store=store or create_store(settings, engine.manifest),
        pool=CodecPool(settings.codec_threads or available_cpus()),
        gate=PixelGate(settings.max_pixels_in_flight or 2 * settings.max_pixels),
        max_pixels=settings.max_pixels,
        max_shots=settings.max_shots,
        threshold_override=settings.threshold,
        max_tiles=settings.max_tiles,
        tiling=asyncio.Semaphore(settings.max_tiled_images),
    )
    app = FastAPI(
        title="Few-shot segmentation",
        version="1",
        description="Register a class with a few masked images, then find it in others.",
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        # Without its class, the path of a class is that of the session with a slash behind it.
        redirect_slashes=False,
        # FastAPI's own would send raw paths, and with them session ids and class names.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    drain = Drain()
    context = ApiContext(
        resources=resources,
        admission=Admission(settings.max_requests, "requests"),
        body_bytes=Admission(settings.max_upload_bytes, "bytes of uploads"),
        body_limits=BodyLimits(settings.max_body_bytes, settings.max_files),
        upload_s=settings.upload_s,
        deadline_s=settings.deadline_s,
        max_wait_s=settings.max_wait_s,
        access=create_access(settings),
        drain=drain,
        jobs=create_jobs(settings, resources),
        jobs_max_bytes=settings.jobs_max_bytes,
    )
    app.state.context, app.state.tracer = context, tracer
    # The last one added is the outermost.
    app.add_middleware(
        RequestContext,
        metrics=metrics,
        drain=drain,
        require_room=context.require_room,
        tracer=tracer,
    )
    install_cors(app, settings.cors_origins)
    app.add_middleware(SecurityHeaders)
    install_error_handler(app)
    for router in routers:
        app.include_router(router)
    if settings.label_studio_url is not None:
        app.state.mirror = create_mirror(settings, resources)
        app.include_router(label_studio_router)
    if settings.metrics:
        _expose(app, metrics, resources)
    if settings.playground:
        app.include_router(playground_router(load_files()))
    install_openapi(app)
    return app


def create_engine(settings: Settings, metrics: EngineMetrics | None = None) -> Engine:
    """The engine the settings name, not started."""
    if settings.engine == "fake":
        return FakeEngine()
    if settings.engine == "ray":
        return _create_ray_engine(settings)
    options = _engine_options(settings, parse_devices(settings.devices), available_cpus())
    return OnnxEngine(settings.bundle, options, metrics=metrics)


def _create_ray_engine(settings: Settings) -> "RayEngine":
    """Of a pool whose replicas see the GPUs that Ray gives them, numbered from 0."""
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
    options = _engine_options(settings, devices, max(1, int(settings.ray_num_cpus)))
    return RayEngine(settings.bundle, options, pool)


def _engine_options(settings: Settings, devices: tuple[Device, ...], threads: int) -> EngineOptions:
    return EngineOptions(
        devices=devices,
        precision=settings.precision,
        intra_op_threads=settings.intra_op_threads or threads,
        gpu_memory_bytes=settings.gpu_memory_bytes or None,
        batch_sizes=settings.batch_sizes,
        max_batch_pairs=settings.max_batch_pairs,
        max_batch_shots=settings.max_batch_shots,
        batch_wait_s=settings.batch_wait_s,
        max_queued_images=settings.max_queued_images,
        cache_bytes=settings.encode_cache_bytes,
        stuck_s=settings.stuck_s,
        deadline_s=settings.deadline_s,
    )


def create_store(settings: Settings, manifest: Manifest) -> SessionStore:
    """The store the settings name, for shots of the network of a manifest; not connected yet."""
    limits = SessionLimits(
        settings.ttl_s,
        settings.max_classes,
        settings.max_shots,
        settings.max_owner_sessions,
        settings.max_owner_bytes,
    )
    url = settings.store_url.get_secret_value()
    if url == MEMORY:
        return MemoryStore(
            limits, max_sessions=settings.max_sessions, max_bytes=settings.max_store_bytes
        )
    # Here and not above: its client takes long to import, and many run without it.
    from service.stores.redis import RedisStore

    return RedisStore(
        url,
        limits,
        max_bytes=settings.max_store_bytes,
        prefix=settings.store_prefix,
        timeout_s=settings.store_timeout_s,
        specs={model_name(manifest): ShotSpec.of(manifest)},
    )


def create_mirror(settings: Settings, resources: Resources) -> ProjectMirror:
    """What follows the projects of the Label Studio that the settings name."""
    studio = LabelStudio(
        settings.label_studio_url or "",
        settings.label_studio_token.get_secret_value(),
        settings.label_studio_image_origins,
        max_bytes=settings.max_body_bytes,
    )
    shots = min(settings.label_studio_shots, settings.max_shots)
    return ProjectMirror(studio, resources, max_shots=shots)


def create_jobs(settings: Settings, resources: Resources) -> JobDesk | None:
    """What works in the background, if the settings name a directory; not started.

    Raises:
        sqlite3.OperationalError: another process has the directory, or it cannot be written.
    """
    if settings.jobs_dir is None:
        return None
    store = JobStore(settings.jobs_dir)
    return JobDesk(
        store,
        JobRunner(store, resources, ttl_s=settings.jobs_ttl_s),
        resources,
        max_jobs=settings.jobs_max_owner,
        max_images=settings.jobs_max_images,
        max_bytes=settings.jobs_max_total_bytes,
    )


def create_tracer(settings: Settings) -> "Tracer | None":
    """What sends traces, if the settings say where to."""
    if settings.otlp_endpoint is None:
        return None
    # Here and not above: OpenTelemetry takes long to import, and most run without it.
    from service.telemetry.tracing import Tracer

    return Tracer(settings.otlp_endpoint, version=__version__)


def _expose(app: FastAPI, metrics: Metrics, resources: Resources) -> None:
    """Answer `/metrics`, with what is known of the application's parts besides its requests."""
    metrics.describe_build(
        version=__version__,
        model=resources.model,
        provider=",".join(resources.engine.devices),
    )
    metrics.watch_codec(lambda: resources.pool.waiting)
    metrics.watch_store(resources.store)
    app.include_router(metrics_router(metrics))


def create_access(settings: Settings) -> Access:
    """The keys and the bounds of one client that the settings name.

    Without keys, all behind one address would share its places; so there they have a bound only
    where one is set.

    Raises:
        service.access.KeyFileError.
    """
    keys = None if settings.api_keys_file is None else KeyFile(settings.api_keys_file)
    places = settings.max_client_requests or (
        None if keys is None else max(1, settings.max_requests // 2)
    )
    rate_limits = None
    if settings.rate_limit is not None:
        storage = RateStorage(settings.store_url.get_secret_value(), settings.store_prefix)
        rate_limits = RateLimits(settings.rate_limit, storage)
    return Access(keys, rate_limits, ClientPlaces(places))


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    resources: Resources = app.state.context.resources
    tracer: Tracer | None = app.state.tracer
    # In the background, so that probes can tell a service that loads from one that is down.
    loading = asyncio.create_task(resources.engine.start())
    jobs: JobDesk | None = app.state.context.jobs
    if jobs is not None:
        jobs.start()
    try:
        yield
    finally:
        if jobs is not None:
            await jobs.close()
        await loading
        if (mirror := getattr(app.state, "mirror", None)) is not None:
            await mirror.close()
        await resources.engine.stop()
        await resources.pool.close()
        await app.state.context.access.close()
        await resources.store.close()
        if tracer is not None:
            await asyncio.to_thread(tracer.shutdown)
