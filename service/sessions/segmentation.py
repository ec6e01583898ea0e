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
from service.sessions.decoded import QueryImage
from service.sessions.labelling import (
    ClassPrediction,
    Labels,
    Proceed,
    describe_classes,
    label_pixels,
)
from service.sessions.pool import abandonable
from service.sessions.predictions import plan_tiles, predict_close_ups, predict_whole, with_tiles
from service.sessions.resources import Resources
from service.sessions.segment_request import SegmentRequest
from service.sessions.selection import select
from service.sessions.tile_search import Tiles, require_time, segment_tiles
from service.sessions.uploads import drained
from service.telemetry import stage

Rendered = TypeVar("Rendered")
Render = Callable[[Labels, Sequence[ClassPrediction], Proceed], Rendered]


class LabelMap(NamedTuple):
    """A label map as PNG bytes; index i is the i-th of `class_names`, 0 the background."""

    png: bytes
    class_names: tuple[str, ...]
    session_id: str


async def segment(resources: Resources, form: SegmentForm, owner: str) -> SegmentResponse:
    """Segment images with a session of `owner`.

    Raises:
        ServiceError: see `service.errors`.
    """
    selection = await select(resources, form, owner)

    def describe(
        labels: Labels, predictions: Sequence[ClassPrediction], proceed: Proceed
    ) -> ImageResult:
        return describe_classes(labels, predictions, form.output, proceed)

    with resources.using(selection.engine) as own:
        results = await _segment_images(SegmentRequest.of(own, form, selection), describe)
    return SegmentResponse(
        session_id=selection.session.session_id,
        model=selection.session.model,
        results=results,
    )


async def segment_to_label_map(resources: Resources, form: SegmentForm, owner: str) -> LabelMap:
    """The label map of a single image by a session of `owner`.

    Raises:
        NotAcceptableError: several images; for the rest see `service.errors`.
    """
    if len(form.images) != 1:
        raise NotAcceptableError("image/png can hold the answer for one image only")
    selection = await select(resources, form, owner)

    def draw(labels: Labels, *_: object) -> bytes:
        return encode_label_map(labels.class_index)

    with resources.using(selection.engine) as own:
        (png,) = await _segment_images(SegmentRequest.of(own, form, selection), draw)
    return LabelMap(png, tuple(selection.classes), selection.session.session_id)


async def _segment_images(request: SegmentRequest, render: Render[Rendered]) -> list[Rendered]:
    """Decode, segment as a whole, in close-ups and in tiles; `render` makes what is sent of each.

    Raises:
        ServiceError: see `service.errors`.
    """
    request.resources.require_short_wait([request.resources.engine])
    late_at = time.monotonic() + request.resources.deadline_s
    queries = await _decode_queries(request)
    output = await request.resources.engine.segment(
        [query.pixels for query in queries], list(request.selection.classes.values())
    )
    predictions = [predict_whole(request, output, k) for k in range(len(queries))]
    layouts = [
        plan_tiles(request, query, logits, whole)
        for query, logits, whole in zip(queries, output.logits, predictions, strict=True)
    ]
    require_time(request.resources, list(chain(*layouts)), late_at - time.monotonic())
    if request.form.mode == "auto":
        predictions = await predict_close_ups(request, queries, output, predictions, layouts)
    with abandonable() as proceed:
        draw = partial(_render_image, request, render, proceed)
        return await _render_images(request, draw, queries, predictions, layouts)


async def _render_images(
    request: SegmentRequest,
    render: Callable[[QueryImage, Sequence[ClassPrediction]], Rendered],
    queries: Sequence[QueryImage],
    predictions: Sequence[Sequence[ClassPrediction]],
    layouts: Sequence[Sequence[Tiles]],
) -> list[Rendered]:
    """What is sent of each image; tiles first, one image after another, then all others at once."""
    calls: list[Callable[[], Rendered]] = []
    tiled: dict[int, Rendered] = {}
    for position, (query, whole, tiles) in enumerate(
        zip(queries, predictions, layouts, strict=True)
    ):
        render_image = partial(render, query)
        if query.file is not None and tiles:
            decode = partial(_decode_full_size, request, query.file, position)
            tiled[position] = await _render_tiled(request, decode, tiles, whole, render_image)
        else:
            calls.append(partial(render_image, whole))
    with stage("mask"):
        rest = iter(await request.resources.pool.gather(calls))
    return [
        tiled[position] if position in tiled else next(rest) for position in range(len(queries))
    ]


def _render_image(
    request: SegmentRequest,
    render: Render[Rendered],
    proceed: Proceed,
    query: QueryImage,
    predictions: Sequence[ClassPrediction],
) -> Rendered:
    """What is sent of one image; on a codec thread, until `proceed` raises."""
    if request.form.absent == "drop":
        predictions = [each for each in predictions if each.present]
    with request.resources.reader.pixel_budget.reservation() as reserve:
        reserve(query.height * query.width)
        labels = label_pixels(predictions, query.height, query.width, proceed)
        return render(labels, predictions, proceed)


async def _render_tiled(
    request: SegmentRequest,
    decode: Callable[[], Awaitable[NDArray[np.uint8]]],
    tiles: Sequence[Tiles],
    predictions: Sequence[ClassPrediction],
    render_image: Callable[[Sequence[ClassPrediction]], Rendered],
) -> Rendered:
    """What is sent of an image, some classes of which are looked for in its tiles.

    Args:
        request: what is asked for.
        decode: gives the image at full size.
        tiles: of the image.
        predictions: of the whole.
        render_image: makes what is sent.
    """
    # One after another: what they hold at full size is what bounds the memory.
    async with request.resources.tiling:
        image = await decode()
        tiled = await segment_tiles(request.resources, image, tiles, request.selection.classes)
        predictions = [
            with_tiles(request, each, tiled[each.name]) if each.name in tiled else each
            for each in predictions
        ]
        del image, tiled
        with stage("mask"):
            rendered = await request.resources.pool.run(partial(render_image, predictions))
        del predictions  # and with it the image
    return rendered


async def _decode_full_size(
    request: SegmentRequest, file: bytes, position: int
) -> NDArray[np.uint8]:
    """`images[position]` at full size."""
    resources = request.resources
    with stage("decode"):
        return await resources.pool.run(partial(resources.reader.pixels, file, position))


async def _decode_queries(request: SegmentRequest) -> list[QueryImage]:
    resources, form = request.resources, request.form
    read = partial(resources.reader.query, side=request.input_side, keep_file=form.mode != "whole")
    with stage("decode"):
        return await resources.pool.gather(
            partial(read, data, position) for position, data in enumerate(drained(form.images))
        )
