"""Use case: find a session's classes in images."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

from service.errors import (
    ClassNotFoundError,
    EmptySessionError,
    InvalidRequestError,
    NotAcceptableError,
)
from service.imaging import encode_label_map
from service.schemas import ImageResult, SegmentForm, SegmentResponse
from service.sessions.judging import class_threshold
from service.sessions.labelling import ClassAnswer, Labels, describe_classes, label_pixels
from service.sessions.resources import Resources
from service.sessions.uploads import QueryImage, drained, read_query
from service.stores import Session, SessionKey
from service.telemetry import stage

Finished = TypeVar("Finished")


class LabelMap(NamedTuple):
    """A label map as PNG bytes; index i is the i-th of `class_names`, 0 the background."""

    png: bytes
    class_names: tuple[str, ...]
    session_id: str


class _Selection(NamedTuple):
    """A session and the names of the classes asked for, in the session's order."""

    session: Session
    names: tuple[str, ...]


async def segment(resources: Resources, form: SegmentForm, owner: str) -> bytes:
    """The `SegmentResponse` to images by a session of `owner`, already written as JSON.

    Polygons and run lengths of many images take long to write, so that too happens in the pool.

    Raises:
        ServiceError: see `service.errors`.
    """
    selection = await _select(resources, form, owner)

    def describe(labels: Labels, answers: Sequence[ClassAnswer]) -> ImageResult:
        return describe_classes(labels, answers, form.output)

    response = SegmentResponse(
        session_id=selection.session.session_id,
        model=selection.session.model,
        results=await _label(resources, form, selection, describe),
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

    (png,) = await _label(resources, form, selection, draw)
    return LabelMap(png, selection.names, selection.session.session_id)


async def _select(resources: Resources, form: SegmentForm, owner: str) -> _Selection:
    if form.session_id is None:
        raise InvalidRequestError(
            "a session is needed, as field session_id or header X-Session-ID"
        ).at("session_id")
    session = await resources.store.get(SessionKey(owner, form.session_id))
    resources.require_model(session.model)
    unknown = [name for name in form.classes if name not in session.classes]
    if unknown:
        raise ClassNotFoundError(f"the session has no class {unknown[0]!r}").at("classes")
    if not session.classes:
        raise EmptySessionError("register a class with POST /support first")
    wanted = set(form.classes or session.classes)
    return _Selection(session, tuple(name for name in session.classes if name in wanted))


async def _label(
    resources: Resources,
    form: SegmentForm,
    selection: _Selection,
    finish: Callable[[Labels, Sequence[ClassAnswer]], Finished],
) -> list[Finished]:
    """Decode, infer and label; `finish` makes what is sent of each image's labels and classes."""
    queries = await _read(resources, form)
    found = await resources.engine.segment(
        [query.pixels for query in queries],
        [selection.session.classes[name] for name in selection.names],
    )
    threshold, own_thresholds = _thresholds(resources, form, selection)
    least = resources.engine.manifest.presence_threshold

    def label(query: QueryImage, number: int) -> Finished:
        asked = zip(
            selection.names,
            found.logits[number],
            found.presence[number],
            own_thresholds,
            strict=True,
        )
        answers = [
            ClassAnswer(position, name, logits, float(score), bool(score >= least), own)
            for position, (name, logits, score, own) in enumerate(asked, start=1)
        ]
        if form.absent == "drop":
            answers = [answer for answer in answers if answer.present]
        with resources.gate.entry() as enter:
            enter(query.height * query.width)
            return finish(label_pixels(answers, query.height, query.width, threshold), answers)

    with stage("mask"):
        return await resources.pool.gather(
            partial(label, query, number) for number, query in enumerate(queries)
        )


def _thresholds(
    resources: Resources, form: SegmentForm, selection: _Selection
) -> tuple[float, list[float | None]]:
    """For all classes, and for each one that has its own."""
    if form.threshold == "calibrated":
        classes = selection.session.classes
        own = [class_threshold(classes[name], resources.threshold) for name in selection.names]
        return resources.threshold, [*own]
    threshold = resources.threshold if form.threshold is None else form.threshold
    return threshold, [None] * len(selection.names)


async def _read(resources: Resources, form: SegmentForm) -> list[QueryImage]:
    read = partial(
        read_query,
        side=resources.engine.manifest.input_side,
        max_pixels=resources.max_pixels,
        gate=resources.gate,
    )
    with stage("decode"):
        return await resources.pool.gather(
            partial(read, data, position) for position, data in enumerate(drained(form.images))
        )
