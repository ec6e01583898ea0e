"""The use cases: register supports, segment, look at a session, delete."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.engine import Engine
from service.errors import (
    ClassNotFoundError,
    CountMismatchError,
    EmptySessionError,
    InvalidRequestError,
    NotAcceptableError,
)
from service.imaging import encode_label_map
from service.schemas import (
    ClassSummary,
    ImageResult,
    ModelSummary,
    SegmentForm,
    SegmentResponse,
    SessionResponse,
    SupportForm,
    SupportResponse,
)
from service.sessions.labelling import Labels, describe_classes, label_pixels
from service.sessions.pool import CodecPool
from service.sessions.uploads import QueryImage, read_query, read_support
from service.stores import Session, SessionStore
from service.telemetry import stage

_SESSION_ID_BYTES = 24


class LabelMap(NamedTuple):
    """A label map as PNG bytes; index i is the i-th of `class_names`, 0 the background."""

    png: bytes
    class_names: tuple[str, ...]
    session_id: str


class SessionService:
    """Brings engine, store and imaging together.

    Args:
        engine: computes prototypes and logits.
        store: keeps prototypes.
        pool: threads for pixels.
        max_pixels: of one uploaded image or mask.
        threshold: takes the place of the model's own.
    """

    def __init__(
        self,
        engine: Engine,
        store: SessionStore,
        pool: CodecPool,
        *,
        max_pixels: int,
        threshold: float | None = None,
    ) -> None:
        self._engine = engine
        self._store = store
        self._pool = pool
        self._max_pixels = max_pixels
        manifest = engine.manifest
        self._side = manifest.input_side
        self._threshold = manifest.threshold if threshold is None else threshold
        self.model = f"{manifest.name}@{manifest.revision}"

    async def register(self, form: SupportForm) -> SupportResponse:
        """Compute the prototypes of a class and keep them; nothing changes when any support fails.

        Raises:
            ServiceError: see `service.errors`; the file at fault is in its location.
        """
        if len(form.images) != len(form.masks):
            raise CountMismatchError(f"{len(form.images)} images, but {len(form.masks)} masks")
        if form.session_id is not None:
            await self._store.get(form.session_id)  # fails before the work, not after
        with stage("decode"):
            supports = await self._pool.gather(
                partial(read_support, *pair, i, side=self._side, max_pixels=self._max_pixels)
                for i, pair in enumerate(zip(form.images, form.masks, strict=True))
            )
        shots = await self._engine.register(
            [support.pixels for support in supports], [support.mask for support in supports]
        )
        if form.session_id is None:
            session_id = secrets.token_urlsafe(_SESSION_ID_BYTES)
            session = await self._store.create(session_id, self.model, form.class_name, shots)
        else:
            session = await self._store.put(form.session_id, form.class_name, shots, form.mode)
        return SupportResponse(
            session_id=session.session_id,
            class_name=form.class_name,
            shots=len(session.classes[form.class_name]),
            created=_datetime(session.created),
            expires_at=_datetime(session.expires_at),
            model=session.model,
            warnings=[warning for support in supports for warning in support.warnings],
        )

    async def segment(self, form: SegmentForm) -> bytes:
        """The `SegmentResponse` of the images, as JSON.

        Written here, since polygons and RLE of many images take long to write.

        Raises:
            ServiceError: see `service.errors`.
        """
        session, names = await self._select(form)

        def describe(labels: Labels) -> ImageResult:
            return describe_classes(labels, names, form.output)

        results = await self._label(form, session, names, describe)
        response = SegmentResponse(
            session_id=session.session_id, model=session.model, results=results
        )
        return await self._pool.run(lambda: response.model_dump_json().encode())

    async def segment_to_label_map(self, form: SegmentForm) -> LabelMap:
        """The label map of a single image.

        Raises:
            NotAcceptableError: several images; else see `service.errors`.
        """
        if len(form.images) != 1:
            raise NotAcceptableError("image/png can hold the answer for one image only")
        session, names = await self._select(form)
        (png,) = await self._label(
            form, session, names, lambda labels: encode_label_map(labels.index)
        )
        return LabelMap(png, names, session.session_id)

    async def describe(self, session_id: str) -> SessionResponse:
        """What a session holds; counts as a use of it."""
        session = await self._store.get(session_id)
        return SessionResponse(
            session_id=session.session_id,
            model=session.model,
            created=_datetime(session.created),
            expires_at=_datetime(session.expires_at),
            classes=[ClassSummary(class_name=n, shots=len(s)) for n, s in session.classes.items()],
        )

    async def delete(self, session_id: str) -> None:
        """Forget a session."""
        await self._store.delete(session_id)

    async def delete_class(self, session_id: str, class_name: str) -> None:
        """Forget one class of a session."""
        await self._store.delete_class(session_id, class_name)

    def models(self) -> list[ModelSummary]:
        """The networks that run here."""
        manifest = self._engine.manifest
        return [
            ModelSummary(
                model=self.model,
                name=manifest.name,
                revision=manifest.revision,
                preset=manifest.preset,
                input_side=manifest.input_side,
                threshold=self._threshold,
                metrics=manifest.metrics,
            )
        ]

    async def _select(self, form: SegmentForm) -> tuple[Session, tuple[str, ...]]:
        """The session and the names of the classes asked for, in the session's order."""
        if form.session_id is None:
            raise InvalidRequestError(
                "a session is needed, as field session_id or header X-Session-ID"
            ).at("session_id")
        session = await self._store.get(form.session_id)
        unknown = [name for name in form.classes if name not in session.classes]
        if unknown:
            raise ClassNotFoundError(f"the session has no class {unknown[0]!r}").at("classes")
        if not session.classes:
            raise EmptySessionError("register a class with POST /support first")
        wanted = set(form.classes or session.classes)
        return session, tuple(name for name in session.classes if name in wanted)

    async def _label[T](
        self,
        form: SegmentForm,
        session: Session,
        names: tuple[str, ...],
        finish: Callable[[Labels], T],
    ) -> list[T]:
        """Decode, infer and label; `finish` turns each image's labels into its answer."""
        with stage("decode"):
            queries = await self._pool.gather(
                partial(read_query, data, i, side=self._side, max_pixels=self._max_pixels)
                for i, data in enumerate(form.images)
            )
        logits = await self._engine.segment(
            [query.pixels for query in queries], [session.classes[name] for name in names]
        )
        threshold = self._threshold if form.threshold is None else form.threshold

        def answer(query: QueryImage, query_logits: NDArray[np.float32]) -> T:
            return finish(label_pixels(query_logits, query.height, query.width, threshold))

        with stage("mask"):
            return await self._pool.gather(
                partial(answer, *pair) for pair in zip(queries, logits, strict=True)
            )


def _datetime(instant: float) -> datetime:
    return datetime.fromtimestamp(instant, UTC)
