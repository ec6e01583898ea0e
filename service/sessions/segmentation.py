"""Use case: find a session's classes in images."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from service.errors import (
    ClassNotFoundError,
    EmptySessionError,
    InvalidRequestError,
    NotAcceptableError,
)
from service.imaging import encode_label_map
from service.schemas import ImageResult, SegmentForm, SegmentResponse
from service.sessions.labelling import Labels, describe_classes, label_pixels
from service.sessions.resources import Resources
from service.sessions.uploads import QueryImage, drained, read_query
from service.stores import Session
from service.telemetry import stage

Answer = TypeVar("Answer")


class LabelMap(NamedTuple):
    """A label map as PNG bytes; index i is the i-th of `class_names`, 0 the background."""

    png: bytes
    class_names: tuple[str, ...]
    session_id: str


class _Selection(NamedTuple):
    """A session and the names of the classes asked for, in the session's order."""

    session: Session
    names: tuple[str, ...]


async def segment(resources: Resources, form: SegmentForm) -> bytes:
    """The `SegmentResponse` to the images, already written as JSON.

    Polygons and run lengths of many images take long to write, so that too happens in the pool.

    Raises:
        ServiceError: see `service.errors`.
    """
    selection = await _select(resources, form)

    def describe(labels: Labels) -> ImageResult:
        return describe_classes(labels, selection.names, form.output)

    response = SegmentResponse(
        session_id=selection.session.session_id,
        model=selection.session.model,
        results=await _label(resources, form, selection, describe),
    )
    return await resources.pool.run(lambda: response.model_dump_json().encode())


async def segment_to_label_map(resources: Resources, form: SegmentForm) -> LabelMap:
    """The label map of a single image.

    Raises:
        NotAcceptableError: several images; for the rest see `service.errors`.
    """
    if len(form.images) != 1:
        raise NotAcceptableError("image/png can hold the answer for one image only")
    selection = await _select(resources, form)

    def draw(labels: Labels) -> bytes:
        return encode_label_map(labels.class_index)

    (png,) = await _label(resources, form, selection, draw)
    return LabelMap(png, selection.names, selection.session.session_id)


async def _select(resources: Resources, form: SegmentForm) -> _Selection:
    if form.session_id is None:
        raise InvalidRequestError(
            "a session is needed, as field session_id or header X-Session-ID"
        ).at("session_id")
    session = await resources.store.get(form.session_id)
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
    finish: Callable[[Labels], Answer],
) -> list[Answer]:
    """Decode, infer and label; `finish` turns each image's labels into its answer."""
    queries = await _read(resources, form)
    logits = await resources.engine.segment(
        [query.pixels for query in queries],
        [selection.session.classes[name] for name in selection.names],
    )  # (N, P, h, h)
    threshold = resources.threshold if form.threshold is None else form.threshold

    def answer(query: QueryImage, image_logits: NDArray[np.float32]) -> Answer:
        with resources.gate.entry() as enter:
            enter(query.height * query.width)
            return finish(label_pixels(image_logits, query.height, query.width, threshold))

    with stage("mask"):
        return await resources.pool.gather(
            partial(answer, query, image_logits)
            for query, image_logits in zip(queries, logits, strict=True)
        )


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
