"""Runs the engine in this process, and segments images with it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial

from pydantic import SecretStr, ValidationError

from service.assembly import create_engine, create_resources, create_store
from service.client.advice import Registered, advice
from service.engine import INFERENCE_ATTEMPTS, Engine, ModelRegistry
from service.errors import InferenceError, RetryableError, ServiceError
from service.image_files import Shots, image_file, mask_file, read_failure, shot_batches
from service.offline.card import draw_card
from service.offline.errors import OfflineError, RunFailedError
from service.offline.folder import ImageFile
from service.offline.ledger import Entry, Labelled, Ledger
from service.offline.options import LabelOptions, Supports
from service.schemas import ImageResult, SegmentForm, SupportForm, SupportResponse
from service.sessions import Resources, ShotSpecs, register, segment
from service.settings import Settings
from service.store_url import MEMORY

OWNER = ""
_BATCHES_IN_FLIGHT = 2
_BACK_OFF_S = 0.1
_LONG_S = 24 * 3600.0
_SERVER_ERROR = 500  # and more: not the fault of the request


def offline_settings(settings: Settings) -> Settings:
    """The settings for a process that serves nobody else."""
    alone = {
        "store_url": SecretStr(MEMORY),
        "ttl_s": _LONG_S,
        "deadline_s": _LONG_S,
        "max_wait_s": _LONG_S,
        "decode_cache_bytes": 0,
        "encode_cache_bytes": 0,
        "prediction_cache_bytes": 0,
    }
    return settings.model_copy(update=alone)


def offline_engine(settings: Settings) -> Engine:
    """The engine that the settings name, not started."""
    return create_engine(offline_settings(settings))


@asynccontextmanager
async def running_engine(settings: Settings, engine: Engine) -> AsyncIterator[Resources]:
    """A block in which the engine runs.

    Raises:
        RunFailedError: the engine cannot start.
    """
    settings = offline_settings(settings)
    models = ModelRegistry(engine, complete=True)
    resources = create_resources(settings, models, create_store(settings, ShotSpecs(models)))
    await engine.start()
    try:
        _require_engine(resources)
        yield resources
    finally:
        await engine.stop()
        await resources.pool.close()


async def register_supports(
    resources: Resources, supports: Supports, options: LabelOptions
) -> tuple[str, list[str]]:
    """Register all classes; returns their session, and what there is to warn of the supports.

    Raises:
        OfflineError: a support is not valid. UnusableInputError: it cannot be read.
        RunFailedError: the engine failed.
    """
    session_id, warnings = None, list[str]()
    for name, (images, masks) in supports.items():
        requests = []
        for shots in shot_batches(images, masks, options.adapt):
            answer = await _register(resources, _form(name, shots, session_id), shots)
            session_id = answer.session_id
            requests.append(Registered(shots, answer))
        if requests:  # of a class that is in the results alone there are none
            warnings += [f"{name}: {text}" for text in advice(requests)]
    if session_id is None:
        raise OfflineError("there are no supports")
    return session_id, warnings


def _form(class_name: str, shots: Shots, session_id: str | None) -> SupportForm:
    images = [image_file(image) for image in shots.images]
    masks = [mask_file(mask) for mask in shots.masks]
    try:
        return SupportForm(
            class_name=class_name,
            images=images,
            masks=masks,
            session_id=session_id,
            adapt=shots.adapt,
        )
    except ValidationError as exc:
        reason = exc.errors()[0]["msg"].removeprefix("Value error, ")
        raise OfflineError(f"{class_name!r} cannot be the name of a class: {reason}") from exc


async def _register(resources: Resources, form: SupportForm, shots: Shots) -> SupportResponse:
    try:
        return await register(resources, form, OWNER)
    except ServiceError as exc:
        where = "" if exc.location is None else f"{shots.named(exc.location)}: "
        kind = RunFailedError if exc.status >= _SERVER_ERROR else OfflineError
        raise kind(f"{form.class_name}: {where}{exc.detail}") from exc


async def label_images(
    resources: Resources,
    images: Iterable[ImageFile],
    session_id: str,
    options: LabelOptions,
    ledger: Ledger,
    *,
    at_once: int,
    done: Callable[[], None],
) -> None:
    """Segment images, and add each to the ledger.

    Args:
        resources: of the use cases.
        images: to label.
        session_id: from `register_supports`.
        options: of the run.
        ledger: takes the outcomes, in the order in which they finish.
        at_once: images that are held at the same time; see `images_at_once`.
        done: called for each image.

    Raises:
        RunFailedError: the engine failed. OSError: the ledger cannot be written.
    """
    waiting = iter(images)

    async def work() -> None:
        for image in waiting:
            ledger.add(await _label(resources, image, session_id, options))
            done()

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(work())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from errors


def images_at_once(settings: Settings, engine: Engine) -> int:
    """How many images to hold, so that each device has a batch waiting while it works on one."""
    return _BATCHES_IN_FLIGHT * max(settings.batch_sizes) * len(engine.devices)


async def _label(
    resources: Resources, image: ImageFile, session_id: str, options: LabelOptions
) -> Entry:
    """The outcome of one image: its result, or its error."""
    entry = Entry(name=image.name, size=image.size, mtime_ns=image.mtime_ns)
    try:
        data = await asyncio.to_thread(image.path.read_bytes)
        result = await _segment(resources, data, session_id, options)
        reader = resources.reader
        draw = partial(draw_card, max_pixels=reader.max_pixels, pixel_budget=reader.pixel_budget)
        card = await resources.pool.run(partial(draw, data, result))
    except ServiceError as exc:
        _require_engine(resources)
        return entry.model_copy(update={"error": exc.detail})
    except OSError as exc:
        return entry.model_copy(update={"error": read_failure(image.path, exc)})
    return entry.model_copy(update={"labelled": Labelled(result=result, card=card)})


async def _segment(
    resources: Resources, data: bytes, session_id: str, options: LabelOptions
) -> ImageResult:
    failures = 0
    while True:
        form = SegmentForm(
            images=[data],
            session_id=session_id,
            threshold=options.threshold,
            mode=options.mode,
            absent=options.absent,
        )
        try:
            (result,) = (await segment(resources, form, OWNER)).results
        except (RetryableError, InferenceError) as exc:  # a lost device recovers
            failures += isinstance(exc, InferenceError)
            if failures >= INFERENCE_ATTEMPTS:
                raise
            _require_engine(resources)
            await asyncio.sleep(_BACK_OFF_S)
        else:
            return result


def _require_engine(resources: Resources) -> None:
    if resources.models.failure is not None:
        raise RunFailedError(f"the engine failed: {resources.models.failure}; see `fss doctor`")
