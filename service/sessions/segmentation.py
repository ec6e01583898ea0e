"""Use case: find a session's classes in images."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from model.contract import SupportSet
from service.engine import Answers, Engine
from service.errors import (
    ClassNotFoundError,
    EmptySessionError,
    InvalidRequestError,
    NotAcceptableError,
)
from service.imaging import encode_label_map
from service.schemas import ImageResult, SegmentForm, SegmentResponse
from service.sessions.decoded import QueryImage
from service.sessions.labelling import ClassAnswer, Labels, describe_classes, label_pixels, logit
from service.sessions.mosaic import TiledLogits
from service.sessions.resources import ModelResources, Resources
from service.sessions.scale import Seen, tile_sides, tile_view
from service.sessions.second_look import Candidate, look_again
from service.sessions.thresholds import Thresholds
from service.sessions.tiling import Tiles, lay_tiles, require_time, segment_tiles
from service.sessions.uploads import drained, read_pixels, read_query
from service.stores import Session, SessionKey
from service.telemetry import stage

Finished = TypeVar("Finished")


class LabelMap(NamedTuple):
    """A label map as PNG bytes; index i is the i-th of `class_names`, 0 the background."""

    png: bytes
    class_names: tuple[str, ...]
    session_id: str


class _Selection(NamedTuple):
    """A session, what made it, and the classes asked for, in the session's order."""

    session: Session
    engine: Engine
    classes: Mapping[str, SupportSet]


async def segment(resources: Resources, form: SegmentForm, owner: str) -> bytes:
    """The `SegmentResponse` to images by a session of `owner`, already written as JSON.

    Polygons and run lengths of many images take long to write, so that too happens in the pool.

    Raises:
        ServiceError: see `service.errors`.
    """
    selection = await _select(resources, form, owner)

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
    selection = await _select(resources, form, owner)

    def draw(labels: Labels, _: Sequence[ClassAnswer]) -> bytes:
        return encode_label_map(labels.class_index)

    with resources.using(selection.engine) as own:
        (png,) = await _label(own, form, selection, draw)
    return LabelMap(png, tuple(selection.classes), selection.session.session_id)


async def require_classes(resources: Resources, form: SegmentForm, owner: str) -> Session:
    """The session of a request, once it is clear that it has the classes asked for.

    Raises:
        InvalidRequestError, SessionNotFoundError, ModelMismatchError, ClassNotFoundError,
        EmptySessionError.
    """
    return (await _select(resources, form, owner)).session


async def _select(resources: Resources, form: SegmentForm, owner: str) -> _Selection:
    if form.session_id is None:
        raise InvalidRequestError(
            "a session is needed, as field session_id or header X-Session-ID"
        ).at("session_id")
    session = await resources.store.get(SessionKey(owner, form.session_id))
    engine = resources.models.of_session(session.model)
    unknown = [name for name in form.classes if name not in session.classes]
    if unknown:
        raise ClassNotFoundError(f"the session has no class {unknown[0]!r}").at("classes")
    if not session.classes:
        raise EmptySessionError("register a class with POST /support first")
    wanted = set(form.classes or session.classes)
    classes = {name: each for name, each in session.classes.items() if name in wanted}
    return _Selection(session, engine, classes)


async def _label(
    resources: ModelResources,
    form: SegmentForm,
    selection: _Selection,
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
            _worth_another_look(form, selection, thresholds, logits, answers, tiles)
            for logits, answers, tiles in zip(found.logits, wholes, layouts, strict=True)
        ]
        near = await look_again(resources, queries, candidates, selection.classes)
        wholes = [
            [answer._replace(logits=near.get((k, answer.name), answer.logits)) for answer in each]
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
    selection: _Selection,
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
    selection: _Selection,
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
    form: SegmentForm,
    selection: _Selection,
    thresholds: Thresholds,
    logits: NDArray[np.float32],
    answers: Sequence[ClassAnswer],
    tiles: Sequence[Tiles],
) -> list[Candidate]:
    """The classes of an image that are sent and do not come from tiles, by `logits` (P, h, h)."""
    tiled = set(chain.from_iterable(each.names for each in tiles))

    def candidate(answer: ClassAnswer, whole: NDArray[np.float32]) -> Candidate:
        supports = selection.classes[answer.name]
        near = thresholds.of(supports, supports.near)
        return Candidate(answer.name, whole, logit(answer.threshold), logit(near))

    return [
        candidate(answer, each)
        for answer, each in zip(answers, logits, strict=True)
        if answer.name not in tiled and (answer.present or form.absent != "drop")
    ]


async def _decode(resources: Resources, file: bytes, position: int) -> NDArray[np.uint8]:
    """`images[position]` at full size."""
    read = partial(read_pixels, max_pixels=resources.max_pixels, gate=resources.gate)
    with stage("decode"):
        return await resources.pool.run(partial(read, file, position))


def _closer(
    resources: ModelResources,
    selection: _Selection,
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
