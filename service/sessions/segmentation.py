"""Use case: find a session's classes in images."""

import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import chain
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from service.errors import NotAcceptableError
from service.imaging import encode_label_map
from service.schemas import ImageResult, SegmentForm, SegmentResponse
from service.sessions.answering import (
    answer_from_tiles,
    answers_from_near,
    answers_of_whole,
    tiles_of,
)
from service.sessions.decoded import QueryImage
from service.sessions.labelling import ClassAnswer, Labels, describe_classes, label_pixels
from service.sessions.resources import Resources
from service.sessions.segment_request import SegmentRequest
from service.sessions.selection import select
from service.sessions.tile_search import Tiles, require_time, segment_tiles
from service.sessions.uploads import drained, read_pixels, read_query
from service.telemetry import stage

Finished = TypeVar("Finished")
Finish = Callable[[Labels, Sequence[ClassAnswer]], Finished]


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
        results = await _label(SegmentRequest.of(own, form, selection), describe)
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
        (png,) = await _label(SegmentRequest.of(own, form, selection), draw)
    return LabelMap(png, tuple(selection.classes), selection.session.session_id)


async def _label(request: SegmentRequest, finish: Finish[Finished]) -> list[Finished]:
    """Decode, infer and label; `finish` makes what is sent of each image's labels and classes."""
    resources, classes = request.resources, request.selection.classes
    late_at = time.monotonic() + resources.deadline_s
    queries = await _read(request)
    found = await resources.engine.segment(
        [query.pixels for query in queries], list(classes.values())
    )
    wholes = [answers_of_whole(request, found, k) for k in range(len(queries))]
    layouts = [
        tiles_of(request, query, logits, answers)
        for query, logits, answers in zip(queries, found.logits, wholes, strict=True)
    ]
    require_time(resources, list(chain(*layouts)), late_at - time.monotonic())
    if request.form.mode == "auto":
        wholes = await answers_from_near(request, queries, found, wholes, layouts)
    calls: list[Callable[[], Finished]] = []
    finished: dict[int, Finished] = {}
    for position, (query, answers, tiles) in enumerate(zip(queries, wholes, layouts, strict=True)):
        label = partial(_label_one, request, finish, query)
        if query.file is not None and tiles:
            image = partial(_decode, request, query.file, position)
            finished[position] = await _finish_tiled(request, image, tiles, answers, label)
        else:
            calls.append(partial(label, answers))
    with stage("mask"):
        rest = iter(await resources.pool.gather(calls))
    return [
        finished[position] if position in finished else next(rest)
        for position in range(len(queries))
    ]


def _label_one(
    request: SegmentRequest,
    finish: Finish[Finished],
    query: QueryImage,
    answers: Sequence[ClassAnswer],
) -> Finished:
    """What is sent of one image; on a codec thread."""
    if request.form.absent == "drop":
        answers = [answer for answer in answers if answer.present]
    with request.resources.gate.entry() as enter:
        enter(query.height * query.width)
        return finish(label_pixels(answers, query.height, query.width), answers)


async def _finish_tiled(
    request: SegmentRequest,
    decode: Callable[[], Awaitable[NDArray[np.uint8]]],
    tiles: Sequence[Tiles],
    answers: Sequence[ClassAnswer],
    label: Callable[[Sequence[ClassAnswer]], Finished],
) -> Finished:
    """What is sent of an image, some classes of which are looked for in its tiles.

    Args:
        decode: gives the image at full size.
        tiles: of the image.
        answers: of the whole.
        label: makes what is sent.
    """
    # One after another: what they hold at full size is what bounds the memory.
    async with request.resources.tiling:
        image = await decode()
        tiled = await segment_tiles(request.resources, image, tiles, request.selection.classes)
        answers = [
            answer_from_tiles(request, answer, tiled[answer.name])
            if answer.name in tiled
            else answer
            for answer in answers
        ]
        del image, tiled
        with stage("mask"):
            finished = await request.resources.pool.run(partial(label, answers))
        del answers  # and with it the image
    return finished


async def _decode(request: SegmentRequest, file: bytes, position: int) -> NDArray[np.uint8]:
    """`images[position]` at full size."""
    resources = request.resources
    read = partial(read_pixels, max_pixels=resources.max_pixels, gate=resources.gate)
    with stage("decode"):
        return await resources.pool.run(partial(read, file, position))


async def _read(request: SegmentRequest) -> list[QueryImage]:
    resources, form = request.resources, request.form
    read = partial(
        read_query,
        side=request.input_side,
        max_pixels=resources.max_pixels,
        gate=resources.gate,
        keep_file=form.mode != "whole",
        decoded=resources.decoded,
    )
    with stage("decode"):
        return await resources.pool.gather(
            partial(read, data, position) for position, data in enumerate(drained(form.images))
        )
