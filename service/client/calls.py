"""Every request of the service as a value: what is sent, and how its answer is read.

Nothing here sends: `Client` and `AsyncClient` do, with the same functions behind their methods.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from service.client.errors import ClientError, InvalidInputError, UnexpectedAnswerError
from service.client.files import ImageLike, MaskLike, image_file, mask_file
from service.client.results import Segmentation, segmentation
from service.schemas import (
    MAX_FILES,
    ModelsResponse,
    ModelSummary,
    SegmentResponse,
    SessionResponse,
    StatusResponse,
    SupportResponse,
)

T = TypeVar("T")
File = tuple[str, tuple[str, bytes]]

ARCHIVE = "application/vnd.fss.session+safetensors"
_SESSION_ID_BYTES = 24
_IDEMPOTENCY_KEY_BYTES = 24


@dataclass(frozen=True)
class Call(Generic[T]):
    """A request and the meaning of its answer.

    repeatable: doing it twice does no more than doing it once, and is answered the same.
    options: keyword arguments of httpx's `request`.
    """

    method: str
    path: str
    parse: Callable[[httpx.Response], T]
    repeatable: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)

    def read(self, response: httpx.Response) -> T:
        """What a successful answer says.

        Raises:
            UnexpectedAnswerError: it is not what the service would answer.
        """
        try:
            return self.parse(response)
        except (ValidationError, ValueError, TypeError) as exc:
            raise UnexpectedAnswerError(
                f"{self.method} {self.path.split('/')[1]} answered something else than its schema; "
                "is the service of another version?"
            ) from exc


def ready() -> Call[StatusResponse]:
    """Succeeds once the service can work; fails with `NotReadyError` while it loads."""
    return Call("GET", "/readyz", _model(StatusResponse))


def models() -> Call[list[ModelSummary]]:
    """The networks the service runs."""
    return Call("GET", "/models", lambda response: _model(ModelsResponse)(response).models)


def register(
    session_id: str | None,
    class_name: str,
    images: ImageLike | Sequence[ImageLike],
    masks: MaskLike | Sequence[MaskLike],
    *,
    mode: Literal["append", "replace"] = "append",
    adapt: bool = False,
) -> Call[SupportResponse]:
    """Define a class by 1 to 16 images and a mask for each, or add shots to one that is there.

    Args:
        session_id: of the session; None: a new one.
        class_name: at most 64 characters.
        images: one, or several.
        masks: as many, each as large as its image, nonzero on the object.
        mode: add to the shots the class has, or replace them.
        adapt: fit the head to these shots; where images are unlike photographs.
    """
    shots, truths = _several(images), _several(masks)
    if len(shots) != len(truths):
        raise InvalidInputError(f"{len(shots)} images, but {len(truths)} masks")
    fields = {"class_name": class_name, "mode": mode, "adapt": str(adapt).lower()}
    if session_id is not None:
        fields["session_id"] = session_id
    return Call(
        "POST",
        "/support",
        _model(SupportResponse),
        options={
            # The service registers once what comes again with the same one.
            "headers": {"Idempotency-Key": secrets.token_urlsafe(_IDEMPOTENCY_KEY_BYTES)},
            "data": fields,
            "files": _files("images", shots, image_file) + _files("masks", truths, mask_file),
        },
    )


def segment(
    session_id: str,
    images: Sequence[ImageLike],
    *,
    classes: Sequence[str] = (),
    threshold: float | None = None,
    absent: Literal["keep", "drop"] = "keep",
) -> Call[list[Segmentation]]:
    """Find classes in 1 to 16 images.

    Args:
        session_id: of the session.
        images: in any form.
        classes: names; none: all of the session.
        threshold: least probability of a foreground pixel; None: the model's own.
        absent: `drop` leaves out the classes that an image does not seem to hold.
    """
    fields: dict[str, str | list[str]] = {"session_id": session_id, "absent": absent}
    if classes:
        fields["classes"] = list(classes)
    if threshold is not None:
        fields["threshold"] = repr(float(threshold))
    return Call(
        "POST",
        "/segment",
        lambda response: _segmentations(response, len(images)),
        options={"data": fields, "files": _files("images", images, image_file)},
    )


def describe(session_id: str) -> Call[SessionResponse]:
    """What the session holds."""
    return Call("GET", _session_path(session_id), _model(SessionResponse))


def delete(session_id: str) -> Call[None]:
    """Forget the session."""
    return Call("DELETE", _session_path(session_id), _nothing, repeatable=False)


def delete_class(session_id: str, class_name: str) -> Call[None]:
    """Forget a class of the session."""
    path = f"{_session_path(session_id)}/classes/{_segment(class_name)}"
    return Call("DELETE", path, _nothing, repeatable=False)


def archive(session_id: str) -> Call[bytes]:
    """The session as one file, for `restore` at any service that runs the same model."""
    return Call("GET", f"{_session_path(session_id)}/archive", lambda response: response.content)


def restore(session_id: str | None, archive: bytes) -> Call[SessionResponse]:
    """Make the session of an archive, or let the archive take the place of what it holds."""
    # As the service makes them, so that nobody guesses it.
    chosen = session_id or secrets.token_urlsafe(_SESSION_ID_BYTES)
    return Call(
        "PUT",
        f"{_session_path(chosen)}/archive",
        _model(SessionResponse),
        options={"content": archive, "headers": {"Content-Type": ARCHIVE}},
    )


Wire = TypeVar(
    "Wire", ModelsResponse, SegmentResponse, SessionResponse, StatusResponse, SupportResponse
)


def _model(kind: type[Wire]) -> Callable[[httpx.Response], Wire]:
    return lambda response: kind.model_validate_json(response.content)


def _nothing(_: httpx.Response) -> None:
    pass


def _segmentations(response: httpx.Response, count: int) -> list[Segmentation]:
    results = _model(SegmentResponse)(response).results
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
    except ClientError as exc:
        exc.location = f"{name}[{position}]"
        raise


def _session_path(session_id: str) -> str:
    return f"/sessions/{_segment(session_id)}"


def _segment(text: str) -> str:
    """One segment of a path, whatever the text holds."""
    if not text or text in {".", ".."}:
        raise InvalidInputError(f"{text!r} is neither a session nor a class")
    return quote(text, safe="")
