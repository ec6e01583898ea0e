"""Puts the service together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

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
    routers,
)
from service.engine import (
    Admission,
    Engine,
    EngineOptions,
    FakeEngine,
    OnnxEngine,
    available_cpus,
)
from service.sessions import CodecPool, PixelGate, Resources
from service.settings import Settings
from service.stores import MemoryStore, SessionLimits, SessionStore


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
    resources = Resources(
        engine=engine or create_engine(settings),
        store=store or create_store(settings),
        pool=CodecPool(settings.codec_threads or available_cpus()),
        gate=PixelGate(settings.max_pixels_in_flight or 2 * settings.max_pixels),
        max_pixels=settings.max_pixels,
        max_shots=settings.max_shots,
        threshold_override=settings.threshold,
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
    )
    drain = Drain()
    app.state.context = ApiContext(
        resources=resources,
        admission=Admission(settings.max_requests, "requests"),
        body_bytes=Admission(settings.max_upload_bytes, "bytes of uploads"),
        body_limits=BodyLimits(settings.max_body_bytes, settings.max_files),
        upload_s=settings.upload_s,
        deadline_s=settings.deadline_s,
        access=create_access(settings),
        drain=drain,
    )
    # The last one added is the outermost.
    app.add_middleware(RequestContext, drain=drain)
    install_cors(app, settings.cors_origins)
    app.add_middleware(SecurityHeaders)
    install_error_handler(app)
    for router in routers:
        app.include_router(router)
    install_openapi(app)
    return app


def create_engine(settings: Settings) -> Engine:
    """The engine the settings name, not started."""
    if settings.engine == "fake":
        return FakeEngine()
    options = EngineOptions(
        device=settings.device,
        intra_op_threads=settings.intra_op_threads or available_cpus(),
        max_batch_images=settings.max_batch_images,
        max_batch_pairs=settings.max_batch_pairs,
        max_batch_shots=settings.max_batch_shots,
        batch_wait_s=settings.batch_wait_s,
        max_queued_images=settings.max_queued_images,
        deadline_s=settings.deadline_s,
    )
    return OnnxEngine(settings.bundle, options)


def create_store(settings: Settings) -> SessionStore:
    """The store the settings name."""
    limits = SessionLimits(settings.ttl_s, settings.max_classes, settings.max_shots)
    return MemoryStore(
        limits, max_sessions=settings.max_sessions, max_bytes=settings.max_store_bytes
    )


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
        rate_limits = RateLimits(settings.rate_limit, RateStorage(settings.store_url))
    return Access(keys, rate_limits, ClientPlaces(places))


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    resources: Resources = app.state.context.resources
    # In the background, so that probes can tell a service that loads from one that is down.
    loading = asyncio.create_task(resources.engine.start())
    try:
        yield
    finally:
        await loading
        await resources.engine.stop()
        await resources.pool.close()
        await app.state.context.access.close()
