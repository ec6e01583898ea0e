"""Creates the parts beside the engines from the settings."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from service import __version__
from service.access import Access, KeyFile, RateLimits, RateStorage
from service.capacity import ClientCapacity
from service.engine import ModelRegistry, available_cpus
from service.errors import JobsDisabledError
from service.jobs import (
    Arrivals,
    Folders,
    JobCreator,
    JobDesk,
    JobImages,
    JobQuota,
    JobRunner,
    JobThreads,
    open_jobs,
)
from service.labelling_tools import LabelStudio, ProjectMirror
from service.sessions import CodecPool, DecodedImages, ImageReader, PixelBudget, Resources
from service.settings import Settings
from service.store_url import MEMORY
from service.stores import MemoryStore, SessionLimits, SessionStore, ShotSpec
from service.telemetry import JobMetrics

if TYPE_CHECKING:
    from service.telemetry.tracing import Tracer

_MAX_STREAMS = 16
_MAX_DOWNLOADS = 2


def create_resources(settings: Settings, models: ModelRegistry, store: SessionStore) -> Resources:
    """The resources of the use cases, over engines and a store."""
    return Resources(
        models=models,
        store=store,
        pool=CodecPool(settings.codec_threads or available_cpus()),
        reader=ImageReader(
            max_pixels=settings.max_pixels,
            pixel_budget=PixelBudget(settings.max_pixels_in_flight or 2 * settings.max_pixels),
            decoded=DecodedImages(settings.decode_cache_bytes),
        ),
        max_shots=settings.max_shots,
        threshold_override=settings.threshold,
        max_tiles=settings.max_tiles,
        tiling=asyncio.Semaphore(settings.max_tiled_images),
        deadline_s=settings.deadline_s,
        max_wait_s=settings.max_wait_s,
    )


def create_store(settings: Settings, specs: Mapping[str, ShotSpec]) -> SessionStore:
    """The store the settings name, not connected yet; `specs`: by model, what shots are like."""
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
        specs=specs,
    )


def create_access(settings: Settings) -> Access:
    """The keys and the bounds of one client that the settings name.

    With keys, one client has half of what there is at most. Without, all behind one address would
    share that; so there requests have a bound only where one is set, and bytes none.

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
    upload_bytes = None if keys is None else settings.max_client_upload_bytes
    archive_bytes = None if keys is None else settings.max_client_upload_bytes // 2
    return Access(
        keys,
        rate_limits,
        request_slots=ClientCapacity(places, "requests"),
        upload_bytes=ClientCapacity(upload_bytes, "bytes of uploads"),
        archive_bytes=ClientCapacity(archive_bytes, "bytes of archives"),
        streams=ClientCapacity(_MAX_STREAMS, "streams of events"),
        downloads=ClientCapacity(_MAX_DOWNLOADS, "downloads of results and archives"),
    )


def create_tracer(settings: Settings) -> "Tracer | None":
    """The sender of traces, if the settings name a collector.

    Raises:
        service.telemetry.TracingError.
    """
    if settings.otlp_endpoint is None:
        return None
    # Here and not above: OpenTelemetry takes long to import, and most run without it.
    from service.telemetry.tracing import Tracer

    return Tracer(settings.otlp_endpoint, version=__version__)


def create_mirror(settings: Settings, resources: Resources) -> ProjectMirror | None:
    """The mirror of the projects of the Label Studio that the settings name, if they do."""
    if settings.label_studio_url is None:
        return None
    studio = LabelStudio(
        settings.label_studio_url,
        settings.label_studio_token.get_secret_value(),
        settings.label_studio_image_origins,
        max_bytes=settings.max_body_bytes,
    )
    shots = min(settings.label_studio_shots, settings.max_shots)
    return ProjectMirror(studio, resources, max_shots=shots)


def create_jobs(
    settings: Settings, resources: Resources, metrics: JobMetrics
) -> JobDesk | JobsDisabledError:
    """The desk of background jobs, not started; or the reason why there is none.

    Raises:
        service.jobs.JobsDirectoryError.
    """
    store = open_jobs(settings.jobs_dir)
    if isinstance(store, JobsDisabledError):
        return store
    folders = Folders(settings.jobs_folders)
    images = JobImages(store, folders, max_bytes=settings.max_body_bytes)
    threads = JobThreads()
    runner = JobRunner(store, resources, images, threads, metrics, ttl_s=settings.jobs_ttl_s)
    quota = JobQuota(
        store,
        max_jobs=settings.jobs_max_owner,
        max_owner_bytes=settings.jobs_max_owner_bytes,
        max_bytes=settings.jobs_max_total_bytes,
    )
    creator = JobCreator(
        store,
        resources,
        folders,
        threads,
        max_images=settings.jobs_max_images,
        wake=runner.wake,
    )
    return JobDesk(store, runner, Arrivals(store, quota, threads), creator, threads)
