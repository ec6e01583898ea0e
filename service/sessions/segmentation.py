"""Use case: find a session's classes in images."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import NamedTuple, Self, TypeVar

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
Finish = Callable[[Labels, Sequence[ClassAnswer]], Finished]


class LabelMap(NamedTuple):
    """A label map as PNG bytes; index i is the i-th of `class_names`, 0 the background."""

    png: bytes
    class_names: tuple[str, ...]
    session_id: str


class _Cut(NamedTuple):
    """The threshold of a class in images as a whole, and in what is looked at from near."""

    whole: float
    near: float


class _Request(NamedTuple):
    """What is asked for, and the network that answers it; `cuts` by class."""

    resources: ModelResources
    form: SegmentForm
    selection: Selection
    thresholds: Thresholds
    cuts: Mapping[str, _Cut]

    @classmethod
    def of(cls, resources: ModelResources, form: SegmentForm, selection: Selection) -> Self:
        """A form, and what it selects."""
        thresholds = Thresholds.asked(form, resources)
        cuts = {
            name: _Cut(thresholds.of(supports), thresholds.of(supports, supports.near))
            for name, supports in selection.classes.items()
        }
        return cls(resources, form, selection, thresholds, cuts)

    @property
    def least_presence(self) -> float:
        """From which a class counts as present."""
        return self.resources.engine.manifest.presence_threshold

    @property
    def input_side(self) -> int:
        """Of the network, in pixels."""
        return self.resources.engine.manifest.input_side


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
        results = await _label(_Request.of(own, form, selection), describe)
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
        (png,) = await _label(_Request.of(own, form, selection), draw)
    return LabelMap(png, tuple(selection.classes), selection.session.session_id)


async def _label(request: _Request, finish: Finish[Finished]) -> list[Finished]:
    """Decode, infer and label; `finish` makes what is sent of each image's labels and classes."""
    resources, classes = request.resources, request.selection.classes
    late_at = time.monotonic() + resources.deadline_s
    queries = await _read(request)
    found = await resources.engine.segment(
        [query.pixels for query in queries], list(classes.values())
    )
    wholes = [_answers(request, found, k) for k in range(len(queries))]
    layouts = [
        _lay_tiles(request, query, logits, answers)
        for query, logits, answers in zip(queries, found.logits, wholes, strict=True)
    ]
    require_time(resources, list(chain(*layouts)), late_at - time.monotonic())
    if request.form.mode == "auto":
        wholes = await _look_from_near(request, queries, found, wholes, layouts)
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
    request: _Request,
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


def _answers(request: _Request, found: Answers, position: int) -> list[ClassAnswer]:
    """About the classes in `images[position]`, looked at as a whole."""
    return [
        ClassAnswer(
            number,
            name,
            logits,
            float(presence),
            bool(presence >= request.least_presence),
            request.cuts[name].whole,
        )
        for number, (name, logits, presence) in enumerate(
            zip(
                request.selection.classes,
                found.logits[position],
                found.presence[position],
                strict=True,
            ),
            start=1,
        )
    ]


def _lay_tiles(
    request: _Request,
    query: QueryImage,
    logits: NDArray[np.float32],
    answers: Sequence[ClassAnswer],
) -> Sequence[Tiles]:
    """The tiles of an image by what the whole shows, `logits` (P, h, h) of its `answers`."""
    if query.file is None or max(query.height, query.width) <= request.input_side:
        return []
    marked = logits.max(axis=(1, 2)) >= logit(request.resources.threshold)  # (P,)
    seen = {
        answer.name: Seen(request.selection.classes[answer.name], answer.present and bool(found))
        for answer, found in zip(answers, marked.tolist(), strict=True)
    }
    sides = tile_sides(
        request.form.mode,
        seen,
        height=query.height,
        width=query.width,
        input_side=request.input_side,
    )
    return lay_tiles(request.resources, sides, query.height, query.width)


async def _look_from_near(
    request: _Request,
    queries: Sequence[QueryImage],
    found: Answers,
    wholes: Sequence[Sequence[ClassAnswer]],
    layouts: Sequence[Sequence[Tiles]],
) -> list[list[ClassAnswer]]:
    """The answers of each image, once what the whole marks small was looked at from near."""
    candidates = [
        _worth_another_look(request, logits, answers, tiles)
        for logits, answers, tiles in zip(found.logits, wholes, layouts, strict=True)
    ]
    near = await look_again(request.resources, queries, candidates, request.selection.classes)
    return [
        [_seen_again(request, answer, near.get((k, answer.name))) for answer in each]
        for k, each in enumerate(wholes)
    ]


def _worth_another_look(
    request: _Request,
    logits: NDArray[np.float32],
    answers: Sequence[ClassAnswer],
    tiles: Sequence[Tiles],
) -> list[Candidate]:
    """The classes of an image that may be sent and do not come from tiles.

    Args:
        logits: (P, h, h) of the whole, in the order of `answers`.
    """
    tiled = set(chain.from_iterable(each.names for each in tiles))

    def candidate(answer: ClassAnswer, whole: NDArray[np.float32]) -> Candidate:
        reachable = in_reach(answer.presence, request.least_presence)
        cut, near = map(logit, request.cuts[answer.name])
        return Candidate(answer.name, answer.present, reachable, whole, cut, near)

    asked = [
        candidate(answer, each)
        for answer, each in zip(answers, logits, strict=True)
        if answer.name not in tiled
    ]
    return [each for each in asked if request.form.absent != "drop" or each.in_reach]


def _seen_again(request: _Request, answer: ClassAnswer, near: Near | None) -> ClassAnswer:
    """The answer of the whole, and of what was seen from near if anything was."""
    if near is None:
        return answer
    presence = presence_by_both(answer.presence, near.presence)
    present = presence >= request.least_presence
    return answer._replace(logits=near.logits, presence=presence, present=present)


async def _finish_tiled(
    request: _Request,
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
            _closer(request, answer, tiled[answer.name]) if answer.name in tiled else answer
            for answer in answers
        ]
        del image, tiled
        with stage("mask"):
            finished = await request.resources.pool.run(partial(label, answers))
        del answers  # and with it the image
    return finished


async def _decode(request: _Request, file: bytes, position: int) -> NDArray[np.uint8]:
    """`images[position]` at full size."""
    resources = request.resources
    read = partial(read_pixels, max_pixels=resources.max_pixels, gate=resources.gate)
    with stage("decode"):
        return await resources.pool.run(partial(read, file, position))


def _closer(request: _Request, answer: ClassAnswer, tiled: TiledLogits) -> ClassAnswer:
    """The answer of the tiles; what is in one of them is in the image."""
    supports = request.selection.classes[answer.name]
    view = tile_view(supports, request.input_side).supports
    presence = float(tiled.presence.max())
    return answer._replace(
        logits=tiled,
        presence=presence,
        present=presence >= tiled.least_presence,
        threshold=request.thresholds.of(supports, view),
    )


async def _read(request: _Request) -> list[QueryImage]:
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
