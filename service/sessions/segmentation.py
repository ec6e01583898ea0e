"""Use case: find a session's classes in images."""

import time
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from service.errors import NotAcceptableError
from service.imaging import encode_label_map
from service.schemas import ImageResult, SegmentForm, SegmentResponse
from service.sessions.close_ups import add_close_ups
from service.sessions.decoded import QueryImage
from service.sessions.labelling import ClassPrediction, Labels, Proceed, describe_classes
from service.sessions.pool import abandonable
from service.sessions.rendering import Answer, Encode, render, render_all
from service.sessions.resources import Resources
from service.sessions.segment_request import SegmentRequest
from service.sessions.segmented_image import SegmentedImage
from service.sessions.selection import select
from service.sessions.tile_planning import plan_tiles, require_time
from service.sessions.uploads import drained
from service.telemetry import stage


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

    def encode(
        labels: Labels, predictions: Sequence[ClassPrediction], proceed: Proceed
    ) -> ImageResult:
        return describe_classes(labels, predictions, form.output, proceed)

    with resources.using(selection.engine) as own:
        request = SegmentRequest.of(own, form, selection.classes)
        results = await _segment_images(request, encode)
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

    def encode(labels: Labels, *_: object) -> bytes:
        return encode_label_map(labels.class_index)

    with resources.using(selection.engine) as own:
        request = SegmentRequest.of(own, form, selection.classes)
        (png,) = await _segment_images(request, encode)
    return LabelMap(png, tuple(selection.classes), selection.session.session_id)


async def _segment_images(request: SegmentRequest, encode: Encode[Answer]) -> list[Answer]:
    """Decode, segment as a whole, plan tiles, add close-ups, render; `encode` makes what is sent.

    Raises:
        ServiceError: see `service.errors`.
    """
    resources = request.resources
    resources.require_short_wait([resources.engine])
    late_at = time.monotonic() + resources.deadline_s
    queries = await _decode(request)
    images = await _segment_wholes(request, queries)
    images = [plan_tiles(request, image) for image in images]
    all_tiles = [tiles for image in images for tiles in image.tiles]
    require_time(resources, all_tiles, late_at - time.monotonic())
    if request.form.mode == "auto":
        images = await add_close_ups(request, images)
    # Tiles are searched where their image is rendered, so that one at a time is held at full size.
    with abandonable() as proceed:
        return await render_all(request, images, partial(render, request, encode, proceed))


async def _decode(request: SegmentRequest) -> list[QueryImage]:
    resources, form = request.resources, request.form
    read = partial(resources.reader.query, side=request.input_side, keep_file=form.mode != "whole")
    with stage("decode"):
        return await resources.pool.gather(
            partial(read, data, position) for position, data in enumerate(drained(form.images))
        )


async def _segment_wholes(
    request: SegmentRequest, queries: Sequence[QueryImage]
) -> list[SegmentedImage]:
    output = await request.resources.engine.segment(
        [query.pixels for query in queries], [asked.supports for asked in request.classes.values()]
    )
    return [
        SegmentedImage.as_whole(request, position, query, output)
        for position, query in enumerate(queries)
    ]
