"""Every request as a value: what is sent, and how its response is parsed.

Nothing is sent here: the methods of `Client`, `AsyncClient` and their sessions and jobs send it.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Generic, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from service.client.batches import several
from service.client.connection import is_header_value
from service.client.errors import InvalidInputError, UnexpectedAnswerError
from service.client.results import Segmentation, segmentation
from service.image_files import ImageLike, MaskLike, UnusableInputError, image_file, mask_file
from service.schemas import (
    ARCHIVE_MEDIA_TYPE,
    IDEMPOTENCY_HEADER,
    MAX_FILES,
    SESSION_HEADER,
    SESSION_ID_BYTES,
    Absent,
    Adapt,
    LookMode,
    ModelsResponse,
    ModelSummary,
    RegisterMode,
    ReportCard,
    SegmentResponse,
    SessionResponse,
    StatusResponse,
    SupportResponse,
    Threshold,
)

T = TypeVar("T")
Fields = dict[str, str | list[str]]
File = tuple[str, tuple[str, bytes]]

_IDEMPOTENCY_KEY_BYTES = 24


@dataclass(frozen=True)
class Call(Generic[T]):
    """A request, and how its response is parsed.

    repeatable: it is idempotent, and its response is the same each time.
    long: it takes so long to send, or to answer, that it is sent again only where the connection
        broke, and not where the service is slow, which would begin again.
    session_id: of its session; also sent as a header, by which load balancers find the replica.
    options: keyword arguments of httpx's `request`.
    open_file: that the request reads; closed after the response.
    """

    method: str
    path: str
    parse: Callable[[httpx.Response], T]
    repeatable: bool = True
    long: bool = False
    session_id: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    open_file: IO[bytes] | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of httpx's `request`, with all headers."""
        headers = dict(self.options.get("headers", {}))
        if self.session_id and is_header_value(self.session_id):
            headers[SESSION_HEADER] = self.session_id
        return {**self.options, "headers": headers}

    def may_be_repeated(self, outcome: httpx.Response | httpx.RequestError) -> bool:
        """Whether doing it once more does no harm after this outcome."""
        if not self.long:
            return self.repeatable
        broke = isinstance(outcome, httpx.RequestError)
        return self.repeatable and broke and not isinstance(outcome, httpx.ReadTimeout)

    def read(self, response: httpx.Response) -> T:
        """The result in a successful response.

        Raises:
            UnexpectedAnswerError: it does not follow the schema of the service.
        """
        try:
            return self.parse(response)
        except (ValidationError, ValueError, TypeError) as exc:
            raise UnexpectedAnswerError(
                f"{self.method} {self.path.split('/')[1]} answered something else than its schema; "
                "is the service of another version?"
            ) from exc


def once() -> dict[str, str]:
    """A header by which the service knows a repeated request, and does not do it again."""
    return {IDEMPOTENCY_HEADER: secrets.token_urlsafe(_IDEMPOTENCY_KEY_BYTES)}


def ready() -> Call[StatusResponse]:
    """Succeeds once the service can work; fails with `NotReadyError` while it loads."""
    return Call("GET", "/readyz", parse_as(StatusResponse))


def models() -> Call[list[ModelSummary]]:
    """The networks the service runs."""
    return Call("GET", "/models", lambda response: parse_as(ModelsResponse)(response).models)


def register(
    session_id: str | None,
    class_name: str,
    images: ImageLike | Sequence[ImageLike],
    masks: MaskLike | Sequence[MaskLike],
    *,
    mode: RegisterMode = "append",
    adapt: Adapt = "auto",
    report: bool = True,
    model: str | None = None,
) -> Call[SupportResponse]:
    """Define a class by 1 to 16 images and a mask for each, or add shots to one that is there.

    Args:
        session_id: of the session; None: a new one.
        class_name: at most 64 characters.
        images: one, or several.
        masks: as many, each as large as its image, nonzero on the object.
        mode: add to the shots the class has, or replace them.
        adapt: fit the head to these shots, which helps where images are unlike photographs;
            `auto`: where it is seen to help.
        report: have the shots judged by each other, which takes a while.
        model: for a new session, a name or name@revision of `models`; None: the default.
    """
    shots, shot_masks = _several(images), _several(masks)
    if len(shots) != len(shot_masks):
        raise InvalidInputError(f"{len(shots)} images, but {len(shot_masks)} masks")
    fields: Fields = {"class_name": class_name, "mode": mode, "adapt": str(adapt).lower()}
    fields["report"] = str(report).lower()
    if session_id is not None:
        fields["session_id"] = session_id
    if model is not None:
        fields["model"] = model
    return Call(
        "POST",
        "/support",
        parse_as(SupportResponse),
        session_id=session_id,
        options={
            "headers": once(),
            "data": sendable(fields),
            "files": _files("images", shots, image_file) + _files("masks", shot_masks, mask_file),
        },
    )


def segment(
    session_id: str,
    images: Sequence[ImageLike],
    *,
    classes: Sequence[str] = (),
    threshold: Threshold = None,
    absent: Absent = "keep",
    mode: LookMode = "auto",
) -> Call[list[Segmentation]]:
    """Find classes in 1 to 16 images.

    Args:
        session_id: of the session.
        images: in any form.
        classes: names; none: all of the session.
        threshold: least probability of a foreground pixel; `calibrated`: that of each class's
            report; `model`: the model's own; None: `calibrated`, unless the operator set another.
        absent: `drop` leaves out the classes that an image does not seem to hold.
        mode: `whole` looks at an image once, `tiled` at its parts too, which takes longer and
            finds small objects; `auto` looks again at what it marked small, and chooses tiles.
    """
    fields: Fields = {"session_id": session_id, "absent": absent, "mode": mode}
    if names := texts("classes", classes):
        fields["classes"] = names
    if threshold is not None:
        fields["threshold"] = str(threshold)
    return Call(
        "POST",
        "/segment",
        lambda response: _segmentations(response, len(images)),
        session_id=session_id,
        options={"data": sendable(fields), "files": _files("images", several(images), image_file)},
    )


def describe(session_id: str) -> Call[SessionResponse]:
    """What the session holds."""
    path = _session_path(session_id)
    return Call("GET", path, parse_as(SessionResponse), session_id=session_id)


def delete(session_id: str) -> Call[None]:
    """Forget the session."""
    path = _session_path(session_id)
    return Call("DELETE", path, no_content, repeatable=False, session_id=session_id)


def delete_class(session_id: str, class_name: str) -> Call[None]:
    """Forget a class of the session."""
    path = _class_path(session_id, class_name)
    return Call("DELETE", path, no_content, repeatable=False, session_id=session_id)


def report(session_id: str, class_name: str) -> Call[ReportCard]:
    """What the shots of a class say of each other, and a threshold calibrated on them."""
    path = f"{_class_path(session_id, class_name)}/report"
    return Call("GET", path, parse_as(ReportCard), session_id=session_id)


def archive(session_id: str) -> Call[bytes]:
    """The session as one file, for `restore` at any service that runs the same model."""
    path = f"{_session_path(session_id)}/archive"
    return Call("GET", path, lambda response: response.content, session_id=session_id)


def restore(session_id: str | None, archive: bytes) -> Call[SessionResponse]:
    """Make the session of an archive, or let the archive take the place of what it holds."""
    # As the service makes them, so that it cannot be guessed.
    chosen = session_id or secrets.token_urlsafe(SESSION_ID_BYTES)
    return Call(
        "PUT",
        f"{_session_path(chosen)}/archive",
        parse_as(SessionResponse),
        session_id=chosen,
        options={"content": archive, "headers": {"Content-Type": ARCHIVE_MEDIA_TYPE}},
    )


Wire = TypeVar("Wire", bound=BaseModel)


def parse_as(kind: type[Wire]) -> Callable[[httpx.Response], Wire]:
    """A parser of responses whose body is a model."""
    return lambda response: kind.model_validate_json(response.content)


def no_content(_: httpx.Response) -> None:
    """The parser of responses without content."""


def texts(name: str, given: Iterable[str]) -> list[str]:
    """The texts of a field.

    Raises:
        InvalidInputError: it is one text, whose letters would be sent one by one.
    """
    if isinstance(given, str):
        raise InvalidInputError(f"{name} are several texts, such as [{given!r}]")
    return list(given)


def sendable(fields: Fields) -> Fields:
    """The fields of a form, as they are.

    Raises:
        InvalidInputError: one is no text, such as True, or the name of a file that is not UTF-8.
    """
    for name, value in fields.items():
        for text in value if isinstance(value, list) else [value]:
            if not isinstance(text, str):
                raise InvalidInputError(f"{name} is a text, not {text!r}")
            _require_text(text)
    return fields


def _segmentations(response: httpx.Response, count: int) -> list[Segmentation]:
    results = parse_as(SegmentResponse)(response).results
    if len(results) != count:
        raise ValueError(f"{len(results)} results for {count} images")
    return [segmentation(result) for result in results]


def _several(given: Any) -> Sequence[Any]:
    return given if isinstance(given, list | tuple) else [given]


def _files(name: str, given: Sequence[Any], read: Callable[[Any], bytes]) -> list[File]:
    if not 1 <= len(given) <= MAX_FILES:
        raise InvalidInputError(f"1 to {MAX_FILES} {name} a request, not {len(given)}")
    return [(name, (f"{name}-{i}", _read(read, each, name, i))) for i, each in enumerate(given)]


def _read(read: Callable[[Any], bytes], given: Any, name: str, position: int) -> bytes:
    try:
        return read(given)
    except UnusableInputError as exc:
        error = InvalidInputError(str(exc))
        error.location = f"{name}[{position}]"
        raise error from exc


def _session_path(session_id: str) -> str:
    return f"/sessions/{path_segment(session_id)}"


def _class_path(session_id: str, class_name: str) -> str:
    return f"{_session_path(session_id)}/classes/{path_segment(class_name)}"


def path_segment(text: str) -> str:
    """One segment of a path, whatever the text holds."""
    if not text or text in {".", ".."}:
        raise InvalidInputError(f"{text!r} is not a valid id or name")
    _require_text(text)
    return quote(text, safe="")


def _require_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise InvalidInputError(f"{text!r} is not a valid id or name") from exc
