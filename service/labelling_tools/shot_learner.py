"""Learns the shots of a Label Studio project from the annotations in it."""

import contextlib
import logging
import time
from collections.abc import Iterator, Sequence
from functools import partial, reduce
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError

from model.contract import SupportSet
from service.errors import (
    DeadlineExceededError,
    InferenceError,
    RetryableError,
    ServiceError,
    StudioError,
)
from service.imaging import encode_png_mask
from service.labelling_tools.downloads import UndeliveredError, UndeliveredImageError
from service.labelling_tools.label_config import LabelConfig, parse_label_config
from service.labelling_tools.regions import Region, to_mask
from service.labelling_tools.shot_cache import ShotCache, ShotKey
from service.labelling_tools.studio import Annotation, LabelStudio, Task
from service.schemas import ClassName
from service.sessions import ModelResources, learn_shot
from service.stores import SessionContent

_log = logging.getLogger(__name__)

_MAX_CACHE_BYTES = 256 << 20
_CLASS_NAME: TypeAdapter[str] = TypeAdapter(ClassName)


class _Learned(NamedTuple):
    """What came of one annotation.

    shots: by label, each a class of one shot.
    undelivered: labels that could not be learned without the image.
    error: why Label Studio does not deliver the image; None if it does.
    """

    shots: dict[str, SupportSet]
    undelivered: tuple[str, ...] = ()
    error: UndeliveredImageError | None = None


class ShotLearner:
    """Learns shots from annotations; those learned before are cached, the least used dropped.

    Args:
        studio: where the projects are.
        max_shots: of a class; those of its newest annotations are used.
    """

    def __init__(self, studio: LabelStudio, *, max_shots: int) -> None:
        self._studio = studio
        self._max_shots = max_shots
        self._cache = ShotCache(_MAX_CACHE_BYTES)

    async def session_content(self, resources: ModelResources, project: int) -> SessionContent:
        """The classes that are annotated in a project, as the content of a session.

        Raises:
            ServiceError: the project cannot be read.
            UndeliveredImageError: a class has no shot, as none of its images is delivered.
        """
        text = await self._studio.label_config(project)
        config = await resources.pool.run(partial(parse_label_config, text))
        tasks = await self._studio.annotated_tasks(project)
        classes: dict[str, list[SupportSet]] = {}
        undelivered: dict[str, UndeliveredImageError] = {}
        for task, annotation in _newest_first(tasks):
            complete = {name for name, shots in classes.items() if len(shots) >= self._max_shots}
            learned = await self._learned(resources, task, annotation, config, complete)
            for label, shot in learned.shots.items():
                classes.setdefault(label, []).append(shot)
            if learned.error is not None:
                undelivered |= dict.fromkeys(learned.undelivered, learned.error)
        for label, error in undelivered.items():
            if label not in classes:
                raise error  # so that the session keeps what it holds of the class
        # In the order of the config: that of the annotations changes.
        content = {
            label: reduce(SupportSet.extended, classes[label])
            for label in config.controls
            if label in classes
        }
        return SessionContent(resources.model, time.time(), content)

    async def _learned(
        self,
        resources: ModelResources,
        task: Task,
        annotation: Annotation,
        config: LabelConfig,
        complete: set[str],
    ) -> _Learned:
        """One shot for each label of an annotation, except for classes that are complete."""
        regions = list(_regions(annotation, config))
        labels = {label for region in regions for label in region.learned_labels(config)}
        version = (resources.model, annotation.id, annotation.updated_at)
        keys = {
            label: ShotKey(*version, config.controls[label].name, label)
            for label in sorted(labels - complete)
            if _is_class_name(label)
        }
        new = {label: key for label, key in keys.items() if key not in self._cache}
        error: UndeliveredImageError | None = None
        if new:
            try:
                await self._learn(resources, task, regions, config, new)
            except ServiceError as exc:
                # One bad annotation, or missing image, must not keep others from being learned.
                if is_transient(exc):
                    raise
                error = exc if isinstance(exc, UndeliveredImageError) else None
                _log.warning("annotation not learned", extra={"code": exc.code})
        found = {label: self._cache.get(key) for label, key in keys.items()}
        shots = {label: shot for label, shot in found.items() if shot is not None}
        unlearned = tuple(label for label, key in new.items() if key not in self._cache)
        return _Learned(shots, () if error is None else unlearned, error)

    async def _learn(
        self,
        resources: ModelResources,
        task: Task,
        regions: list[Region],
        config: LabelConfig,
        keys: dict[str, ShotKey],
    ) -> None:
        useful: dict[str, bytes] = {}
        for label in sorted(keys):  # as files, since masks of all labels at once take any memory
            draw = partial(_mask_file, resources, regions, label, config)
            if (file := await resources.pool.run(draw)) is None:
                self._cache.add(keys[label], None)
            else:
                useful[label] = file
        if not useful:
            return
        image = await self._studio.image(task.data.get(config.image_key))
        for label, mask in useful.items():
            self._cache.add(keys[label], await learn_shot(resources, image, mask))


def _mask_file(
    resources: ModelResources, regions: Sequence[Region], label: str, config: LabelConfig
) -> bytes | None:
    """The mask of a label as PNG; None where there is no object, or nothing else."""
    pixels = max(each.original_height * each.original_width for each in regions)
    with resources.reader.pixel_budget.reservation() as reserve:
        reserve(min(pixels, resources.reader.max_pixels))
        mask = to_mask(regions, label, config, max_pixels=resources.reader.max_pixels)
        return encode_png_mask(mask) if mask.any() and not mask.all() else None


def is_transient(error: ServiceError) -> bool:
    """Whether a retry may help."""
    if isinstance(error, UndeliveredError):
        return False
    # The first batches on a lost device fail as if the images in them were at fault.
    transient = RetryableError | StudioError | InferenceError | DeadlineExceededError
    return isinstance(error, transient)


def _newest_first(tasks: list[Task]) -> list[tuple[Task, Annotation]]:
    pairs = [(task, each) for task in tasks for each in task.annotations if not each.was_cancelled]
    return sorted(pairs, key=lambda pair: (pair[1].updated_at, pair[1].id), reverse=True)


def _regions(annotation: Annotation, config: LabelConfig) -> Iterator[Region]:
    """The regions of the config's controls; those of other controls are ignored."""
    names = {control.name for control in config.controls.values()}
    for item in annotation.result:
        if isinstance(item, dict) and str(item.get("from_name")) in names:
            with contextlib.suppress(ValidationError):
                yield Region.model_validate(item)


def _is_class_name(label: str) -> bool:
    try:
        return _CLASS_NAME.validate_python(label) == label
    except ValidationError:
        return False
