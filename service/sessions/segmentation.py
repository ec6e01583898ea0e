"""Use case: find a session's classes in images."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from service.engine import Answers
from service.errors import NotAcceptableError
from service.imaging import encode_label_map
from service.schemas import ImageResult, SegmentForm, SegmentResponse
from service.sessions.decoded import QueryImage
from service.sessions.labelling import ClassAnswer, Labels, describe_classes, label_pixels
from service.sessions.logits import logit
from service.sessions.mosaic import TiledLogits
from service.sessions.resources import ModelResources, Resources
from service.sessions.scale import Seen, tile_sides, tile_view
from service.sessions.second_look import (
    Candidate,
    Near,
    in_reach,
    look_again,
    presence_by_both,
)
from service.sessions.selection import Selection, select
from service.sessions.thresholds import Thresholds
from service.sessions.tiling import Tiles, lay_tiles, require_time, segment_tiles
from service.sessions.uploads import drained, read_pixels, read_query
from service.telemetry import stage

Finished = TypeVar("Finished")


class LabelMap(NamedTuple):
    """A label map as PNG bytes; index i is the i-th of `class_names`, 0 the background."""

    png: bytes
    class_names: tuple[str, ...]
    session_id: str


async def segment(resources: Resources, form: SegmentForm, owner: str) -> bytes:
    """The `SegmentResponse` to images by a session of `owner`, already written as JSON.

    Polygons and run lengths of many images take long to write, so that too happens in the pool.

    Raises:
        ServiceError: see `service.errors`.
    """
    selection = await select(resources, form, owner)

    def describe(labels: Labels, answers: Sequence[ClassAnswer]) -> ImageResult:
        return describe_classes(labels, answers, form.output)

    with resources.using(selection.engine) as own:
        results = await _label(own, form, selection, describe)
    response = SegmentResponse(
        session_id=selection.session.session_id,
        model=selection.session.model,
        results=results,
    )
    return await resources.pool.run(lambda: response.model_dump_json().encode())


async def segment_to_label_map(resources: Resources, form: SegmentForm, owner: str) -> LabelMap:
    """The label map of a single image by a session of `owner`.

    Raises:
        NotAcceptableError: several images; for the rest see `service.errors`.
    """
    if len(form.images) != 1:
        raise NotAcceptableError("image/png can hold the answer for one image only")
    selection = await select(resources, form, owner)

    def draw(labels: Labels, _: Sequence[ClassAnswer]) -> bytes:
        return encode_label_map(labels.class_index)

    with resources.using(selection.engine) as own:
        (png,) = await _label(own, form, selection, draw)
    return LabelMap(png, tuple(selection.classes), selection.session.session_id)


async def _label(
    resources: ModelResources,
    form: SegmentForm,
    selection: Selection,
    finish: Callable[[Labels, Sequence[ClassAnswer]], Finished],
) -> list[Finished]:
    """Decode, infer and label; `finish` makes what is sent of each image's labels and classes."""
    late_at = time.monotonic() + resources.deadline_s
    queries = await _read(resources, form)
    found = await resources.engine.segment(
        [query.pixels for query in queries], list(selection.classes.values())
    )
    thresholds = Thresholds.asked(form, resources)

    def label(query: QueryImage, answers: Sequence[ClassAnswer]) -> Finished:
        if form.absent == "drop":
            answers = [answer for answer in answers if answer.present]
        with resources.gate.entry() as enter:
            enter(query.height * query.width)
            return finish(label_pixels(answers, query.height, query.width), answers)

    wholes = [_answers(resources, selection, thresholds, found, k) for k in range(len(queries))]
    layouts = [
        _lay_tiles(resources, form, selection, query, logits, answers)
        for query, logits, answers in zip(queries, found.logits, wholes, strict=True)
    ]
    require_time(resources, list(chain(*layouts)), late_at - time.monotonic())
    if form.mode == "auto":
        candidates = [
            _worth_another_look(resources, form, selection, thresholds, logits, answers, tiles)
            for logits, answers, tiles in zip(found.logits, wholes, layouts, strict=True)
        ]
        near = await look_again(resources, queries, candidates, selection.classes)
        wholes = [
            [_seen_again(resources, answer, near.get((k, answer.name))) for answer in each]
            for k, each in enumerate(wholes)
        ]
    calls: list[Callable[[], Finished]] = []
    finished: dict[int, Finished] = {}
    for position, (query, answers, tiles) in enumerate(zip(queries, wholes, layouts, strict=True)):
        if query.file is not None and tiles:
            # One after another: what they hold at full size is what bounds the memory.
            async with resources.tiling:
                image = await _decode(resources, query.file, position)
                tiled = await segment_tiles(resources, image, tiles, selection.classes)
                closer = partial(_closer, resources, selection, thresholds)
                answers = [
                    closer(answer, tiled[answer.name]) if answer.name in tiled else answer
                    for answer in answers
                ]
                del image, tiled
                with stage("mask"):
                    finished[position] = await resources.pool.run(partial(label, query, answers))
                del answers  # and with it the image
        else:
            calls.append(partial(label, query, answers))
    with stage("mask"):
        rest = iter(await resources.pool.gather(calls))
    return [
        finished[position] if position in finished else next(rest)
        for position in range(len(queries))
    ]


def _answers(
    resources: ModelResources,
    selection: Selection,
    thresholds: Thresholds,
    found: Answers,
    position: int,
) -> list[ClassAnswer]:
    """Of the classes in `images[position]`, looked at as a whole."""
    least = resources.engine.manifest.presence_threshold

    return [
        ClassAnswer(
            number, name, logits, float(presence), bool(presence >= least), thresholds.of(supports)
        )
        for number, ((name, supports), logits, presence) in enumerate(
            zip(
                selection.classes.items(),
                found.logits[position],
                found.presence[position],
                strict=True,
            ),
            start=1,
        )
    ]


def _lay_tiles(
    resources: ModelResources,
    form: SegmentForm,
    selection: Selection,
    query: QueryImage,
    logits: NDArray[np.float32],
    answers: Sequence[ClassAnswer],
) -> Sequence[Tiles]:
    """The tiles of an image by what the whole shows, `logits` (P, h, h) of its `answers`."""
    if query.file is None or max(query.height, query.width) <= resources.engine.manifest.input_side:
        return []
    marked = logits.max(axis=(1, 2)) >= logit(resources.threshold)  # (P,)
    seen = {
        answer.name: Seen(selection.classes[answer.name], answer.present and bool(found))
        for answer, found in zip(answers, marked.tolist(), strict=True)
    }
    sides = tile_sides(
        form.mode,
        seen,
        height=query.height,
        width=query.width,
        input_side=resources.engine.manifest.input_side,
    )
    return lay_tiles(resources, sides, query.height, query.width)


def _worth_another_look(
    resources: ModelResources,
    form: SegmentForm,
    selection: Selection,
    thresholds: Thresholds,
    logits: NDArray[np.float32],
    answers: Sequence[ClassAnswer],
    tiles: Sequence[Tiles],
) -> list[Candidate]:
    """The classes of an image that may be sent and do not come from tiles.

    Args:
        logits: (P, h, h) of the whole, in the order of `answers`.
    """
    tiled = set(chain.from_iterable(each.names for each in tiles))
    least = resources.engine.manifest.presence_threshold

    def candidate(answer: ClassAnswer, whole: NDArray[np.float32]) -> Candidate:
        supports = selection.classes[answer.name]
        near = thresholds.of(supports, supports.near)
        cut, reachable = logit(answer.threshold), in_reach(answer.presence, least)
        return Candidate(answer.name, answer.present, reachable, whole, cut, logit(near))

    asked = [
        candidate(answer, each)
        for answer, each in zip(answers, logits, strict=True)
        if answer.name not in tiled
    ]
    return [each for each in asked if form.absent != "drop" or each.in_reach]


def _seen_again(resources: ModelResources, answer: ClassAnswer, near: Near | None) -> ClassAnswer:
    """The answer of the whole, and of what was seen from near if anything was."""
    if near is None:
        return answer
    presence = presence_by_both(answer.presence, near.presence)
    least = resources.engine.manifest.presence_threshold
    return answer._replace(logits=near.logits, presence=presence, present=presence >= least)


async def _decode(resources: Resources, file: bytes, position: int) -> NDArray[np.uint8]:
    """`images[position]` at full size."""
    read = partial(read_pixels, max_pixels=resources.max_pixels, gate=resources.gate)
    with stage("decode"):
        return await resources.pool.run(partial(read, file, position))


def _closer(
    resources: ModelResources,
    selection: Selection,
    thresholds: Thresholds,
    answer: ClassAnswer,
    tiled: TiledLogits,
) -> ClassAnswer:
    """The answer of the tiles; what is in one of them is in the image."""
    supports = selection.classes[answer.name]
    view = tile_view(supports, resources.engine.manifest.input_side).supports
    presence = float(tiled.presence.max())
    return answer._replace(
        logits=tiled,
        presence=presence,
        present=presence >= tiled.least_presence,
        threshold=thresholds.of(supports, view),
    )


async def _read(resources: ModelResources, form: SegmentForm) -> list[QueryImage]:
    read = partial(
        read_query,
        side=resources.engine.manifest.input_side,
        max_pixels=resources.max_pixels,
        gate=resources.gate,
        keep_file=form.mode != "whole",
        decoded=resources.decoded,
    )
    with stage("decode"):
        return await resources.pool.gather(
            partial(read, data, position) for position, data in enumerate(drained(form.images))
        )
