"""Puts the service together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI

from service.api import (
    ApiContext,
    BodyLimits,
    Drain,
    RequestMiddleware,
    SameOriginMiddleware,
    SecurityHeaders,
    install_cors,
    install_error_handler,
    install_openapi,
    install_routes,
    label_studio_router,
    metrics_router,
)
from service.assembly import (
    create_access,
    create_bundle_watcher,
    create_jobs,
    create_mirror,
    create_resources,
    create_store,
    create_tracer,
    describe_build,
)
from service.capacity import Admission
from service.engine import BundleWatcher, Engine, ModelRegistry
from service.jobs import JobDesk
from service.sessions import Resources, ShotSpecs
from service.settings import Settings
from service.stores import SessionStore
from service.telemetry import Metrics
from service.web import load_files, playground_router

if TYPE_CHECKING:
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
        model.contract.BundleKeyError: or a key that bundles cannot be checked with.
        service.telemetry.TracingError: they name a collector, and `OTEL_*` cannot be used.
        service.access.KeyFileError: the settings name a file of keys that cannot be used.
        service.jobs.JobsDirectoryError: the settings name a directory that cannot be used.
    """
    metrics = Metrics()
    tracer = create_tracer(settings)
    watcher = (
        BundleWatcher(ModelRegistry(engine)) if engine else create_bundle_watcher(settings, metrics)
    )
    store = store or create_store(settings, ShotSpecs(watcher.models))
    context = _create_context(settings, create_resources(settings, watcher.models, store), metrics)
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
    app.state.context, app.state.tracer, app.state.bundle_watcher = context, tracer, watcher
    _add_layers(app, settings, metrics, tracer)
    install_error_handler(app)
    install_routes(app)
    if context.mirror is not None:
        app.include_router(label_studio_router)
    if settings.metrics:
        _expose(app, metrics, context, watcher)
    if settings.playground:
        app.include_router(playground_router(load_files()))
    install_openapi(app)
    return app


def _create_context(settings: Settings, resources: Resources, metrics: Metrics) -> ApiContext:
    """What the routes are handed, with the bounds that the settings name."""
    return ApiContext(
        resources=resources,
        admission=Admission(settings.max_requests, "requests"),
        body_bytes=Admission(settings.max_upload_bytes, "bytes of uploads"),
        archive_bytes=Admission(settings.max_client_upload_bytes, "bytes of archives"),
        body_limits=BodyLimits(settings.max_body_bytes, settings.max_files),
        upload_s=settings.upload_s,
        deadline_s=settings.deadline_s,
        access=create_access(settings),
        drain=Drain(),
        jobs=create_jobs(settings, resources, metrics.jobs),
        jobs_max_bytes=settings.jobs_max_bytes,
        jobs_stall_s=settings.jobs_stall_s,
        mirror=create_mirror(settings, resources),
    )


def _add_layers(
    app: FastAPI, settings: Settings, metrics: Metrics, tracer: "Tracer | None"
) -> None:
    """Surround every request; the last layer added is the outermost."""
    context: ApiContext = app.state.context
    if settings.api_keys_file is None:  # a page of another origin cannot send a key without CORS
        app.add_middleware(SameOriginMiddleware, allowed=settings.cors_origins)
    app.add_middleware(
        RequestMiddleware,
        metrics=metrics,
        drain=context.drain,
        require_capacity=context.require_capacity,
        tracer=tracer,
    )
    install_cors(app, settings.cors_origins)
    app.add_middleware(SecurityHeaders)


def _expose(app: FastAPI, metrics: Metrics, context: ApiContext, watcher: BundleWatcher) -> None:
    """Answer `/metrics`, with what is known of the application's parts besides its requests."""
    resources, keys = context.resources, context.access.keys
    describe_build(metrics, watcher.models)
    metrics.watch_refusals(lambda: watcher.refused)
    metrics.watch_codec(lambda: resources.pool.waiting)
    metrics.watch_decoded(lambda: resources.reader.decoded.nbytes)
    metrics.watch_store(resources.store)
    if keys is not None:
        metrics.watch_keys(lambda: keys.current)
    app.include_router(metrics_router(metrics))


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Start the parts of the application, and close them all, whichever of them fails to."""
    context: ApiContext = app.state.context
    tracer: Tracer | None = app.state.tracer
    watcher: BundleWatcher = app.state.bundle_watcher
    async with AsyncExitStack() as closing:
        if tracer is not None:
            closing.push_async_callback(asyncio.to_thread, tracer.shutdown)
        closing.push_async_callback(context.resources.store.close)
        closing.push_async_callback(context.access.close)
        closing.push_async_callback(context.resources.pool.close)
        closing.push_async_callback(watcher.close)
        if context.mirror is not None:
            closing.push_async_callback(context.mirror.close)
        # In the background, so that probes can tell a service that loads from one that is down.
        watcher.open()
        if isinstance(context.jobs, JobDesk):
            closing.push_async_callback(context.jobs.close)
            context.jobs.start()
        yield
