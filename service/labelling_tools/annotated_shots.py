"""Which shots the annotations of a project hold, and the masks of these."""

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError

from service.imaging import encode_png_mask
from service.labelling_tools.label_config import LabelConfig
from service.labelling_tools.regions import Region, to_mask
from service.labelling_tools.studio import Annotation, Task
from service.schemas import ClassName
from service.sessions import CodecPool, ImageReader

_CLASS_NAME: TypeAdapter[str] = TypeAdapter(ClassName)


class Version(NamedTuple):
    """An annotation as it was after a change."""

    annotation: int
    updated_at: str


class ShotKey(NamedTuple):
    """What a shot is learned from: a label of an annotation, as one control draws it."""

    version: Version
    control: str
    label: str


class Shot(NamedTuple):
    """A label of an annotation; its mask is drawn when it is needed."""

    key: ShotKey
    task: Task
    annotation: Annotation


async def annotated_shots(
    pool: CodecPool, tasks: list[Task], config: LabelConfig
) -> dict[str, list[Shot]]:
    """The shots of each label that is annotated, newest first.

    The labels are in the order of the config, as that of the annotations changes.
    """
    found: dict[str, list[Shot]] = {}
    for task, annotation in _newest_first(tasks):
        version = Version(annotation.id, annotation.updated_at)
        for label in await pool.run(partial(_labels, annotation, config)):
            key = ShotKey(version, config.controls[label].name, label)
            found.setdefault(label, []).append(Shot(key, task, annotation))
    return {label: found[label] for label in config.controls if label in found}


def draw_mask(reader: ImageReader, shot: Shot, config: LabelConfig) -> bytes | None:
    """The mask of a shot as PNG; None where there is no object, or nothing else.

    Raises:
        ImageTooLargeError.
        InvalidRequestError: a brush stroke is broken, or an outline too long.
    """
    label, regions = shot.key.label, list(_regions(shot.annotation, config))
    pixels = max(each.original_height * each.original_width for each in regions)
    with reader.pixel_budget.reservation() as reserve:
        reserve(min(pixels, reader.max_pixels))
        mask = to_mask(regions, label, config, max_pixels=reader.max_pixels)
        return encode_png_mask(mask) if mask.any() and not mask.all() else None


def _newest_first(tasks: list[Task]) -> list[tuple[Task, Annotation]]:
    pairs = [(task, each) for task in tasks for each in task.annotations if not each.was_cancelled]
    return sorted(pairs, key=lambda pair: (pair[1].updated_at, pair[1].id), reverse=True)


def _labels(annotation: Annotation, config: LabelConfig) -> set[str]:
    """Of an annotation, those that can be the name of a class."""
    regions = _regions(annotation, config)
    labels = {label for region in regions for label in region.learned_labels(config)}
    return {label for label in labels if _is_class_name(label)}


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
