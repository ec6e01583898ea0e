"""From what was found in an image to what is sent of it."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from service.sessions.labelling import ClassPrediction, Labels, Proceed, label_pixels
from service.sessions.segment_request import SegmentRequest
from service.sessions.segmented_image import SegmentedImage
from service.sessions.tile_search import search_tiles
from service.telemetry import stage

Answer = TypeVar("Answer")
# What is sent of the labels and the predictions of an image; ends where the last argument raises.
Encode = Callable[[Labels, Sequence[ClassPrediction], Proceed], Answer]
Render = Callable[[SegmentedImage], Answer]


def render(
    request: SegmentRequest, encode: Encode[Answer], proceed: Proceed, image: SegmentedImage
) -> Answer:
    """What is sent of one image; on a codec thread, until `proceed` raises."""
    height, width = image.query.height, image.query.width
    predictions = image.predictions
    if request.form.absent == "drop":
        predictions = [each for each in predictions if each.present]
    with request.resources.reader.pixel_budget.reservation() as reserve:
        reserve(height * width)
        with image.colours.kept():
            labels = label_pixels(predictions, height, width, proceed)
        return encode(labels, predictions, proceed)


async def render_all(
    request: SegmentRequest, images: Sequence[SegmentedImage], render_one: Render[Answer]
) -> list[Answer]:
    """What is sent of each image; those with tiles first, one after another, then all others."""
    answers: dict[int, Answer] = {}
    for image in images:
        file = image.query.file
        if file is not None and image.tiles:
            # One after another: what they hold at full size is what bounds the memory.
            async with request.resources.tiling:
                answers[image.position] = await _render_tiled(request, image, file, render_one)
    others = [image for image in images if image.position not in answers]
    with stage("mask"):
        rendered = await request.resources.pool.gather(partial(render_one, each) for each in others)
    answers |= {image.position: each for image, each in zip(others, rendered, strict=True)}
    return [answers[image.position] for image in images]


async def _render_tiled(
    request: SegmentRequest, image: SegmentedImage, file: bytes, render_one: Render[Answer]
) -> Answer:
    """What is sent of an image once its tiles are searched; `file`: its bytes."""
    resources = request.resources
    with stage("decode"):
        pixels = await resources.pool.run(partial(resources.reader.pixels, file, image.position))
    searched = await search_tiles(request, image, pixels)
    with stage("mask"):
        return await resources.pool.run(partial(render_one, searched))
