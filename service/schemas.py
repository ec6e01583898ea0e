"""What goes over the wire: the fields of requests and the bodies of answers."""

import re
import unicodedata
from datetime import datetime
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    TypeAdapter,
    ValidationError,
)

from service.report_card import ReportCard

MAX_FILES = 16
_CONTROL_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
# They turn the text around them, so a name could be shown as another one (UAX #9).
_BIDI_CONTROLS = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
# A name is the end of a path. Clients resolve dot segments before they send one, browsers take a
# backslash for a slash, and what is left of the path would then name the whole session.
_SLASHES = re.compile(r"[/\\]")
_DOT_SEGMENTS = frozenset({".", ".."})


def _composed(name: object) -> object:
    """The name in NFC, so that one spelling is one class; composing can also make it longer."""
    return unicodedata.normalize("NFC", name) if isinstance(name, str) else name


def _printable(name: str) -> str:
    """Refuse what cannot be shown on one line, or not be the end of a path."""
    if any(unicodedata.category(character) in _CONTROL_CATEGORIES for character in name):
        raise ValueError("must not contain control characters")
    if any(unicodedata.bidirectional(character) in _BIDI_CONTROLS for character in name):
        raise ValueError("must not contain characters that change the direction of text")
    if name != name.strip():
        raise ValueError("must not begin or end with a space")
    if _DOT_SEGMENTS.intersection(_SLASHES.split(name)):
        raise ValueError("must not be or hold the path segments '.' and '..'")
    return name


ClassName = Annotated[
    str,
    Field(min_length=1, max_length=64),
    BeforeValidator(_composed),
    AfterValidator(_printable),
]
Files = Annotated[list[bytes], Field(min_length=1, max_length=MAX_FILES)]
Output = Literal["rle", "png", "polygon"]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


def _threshold(value: object) -> object:
    """One complaint for all forms, where a union would make one for each."""
    if value is None or value in ("calibrated", "model"):
        return value
    try:
        return _PROBABILITY.validate_python(value)
    except ValidationError as exc:
        raise ValueError("must be a number from 0 to 1, 'calibrated' or 'model'") from exc


def _adapt(value: object) -> object:
    """One complaint for both forms, as of a threshold."""
    if value == "auto":
        return value
    try:
        return _BOOL.validate_python(value)
    except ValidationError as exc:
        raise ValueError("must be 'true', 'false' or 'auto'") from exc


def _model_reference(name: str) -> str:
    if re.fullmatch(_MODEL, name) is None:
        raise ValueError("must be a name from GET /models, or name@revision")
    return name


_MODEL = r"^[a-z0-9][a-z0-9._-]{0,63}(@[A-Za-z0-9][A-Za-z0-9._+-]{0,63})?$"
_ModelReference = Annotated[
    str, AfterValidator(_model_reference), Field(json_schema_extra={"pattern": _MODEL})
]
_BOOL = TypeAdapter(bool)
_Adapt = bool | Literal["auto"]
_PROBABILITY = TypeAdapter(Probability)
_Threshold = Probability | Literal["calibrated", "model"] | None


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SupportForm(_Form):
    """Fields of `POST /support`."""

    class_name: ClassName
    images: Annotated[Files, Field(description="JPEG, PNG, WebP, BMP or TIFF.")]
    masks: Annotated[
        Files,
        Field(
            description="One for each image, in the same order: nonzero is object, a palette is "
            "read by index, and where there is alpha it must be nonzero too. In a lossy file "
            "(JPEG, lossy WebP) object is 128 and more. 16 bits a channel only in grey. Same size "
            "as the image as displayed, that is after its EXIF orientation."
        ),
    ]
    session_id: Annotated[
        str | None, Field(description="An existing session; none: a new one is made.")
    ] = None
    model: Annotated[
        _ModelReference | None,
        Field(
            description="What a new session is bound to: a name from `GET /models`, which means "
            "its newest revision, or `name@revision`; none: the default. A session that exists "
            "keeps its own, and another one here is refused.",
        ),
    ] = None
    mode: Annotated[
        Literal["append", "replace"],
        Field(description="Add to the shots the class already has, or replace them."),
    ] = "append"
    adapt: Annotated[
        _Adapt,
        PlainValidator(_adapt, json_schema_input_type=_Adapt),
        Field(
            description="Whether the head's last layer is fitted anew to the supports of this "
            "request, within a second or so. That helps where images are unlike photographs "
            "(cells, surfaces, X-rays) and does harm on photographs. `auto` fits where supports "
            "are marked better by a fit to the others, so it takes two at least. Send all shots "
            "together: an earlier fit is replaced, and shots added later without a fit of their "
            "own leave it as it is."
        ),
    ] = "auto"
    report: Annotated[
        bool,
        Field(description="Judge the shots by each other; `false` saves the time that takes."),
    ] = True


class SegmentForm(_Form):
    """Fields of `POST /segment`."""

    images: Annotated[Files, Field(description="JPEG, PNG, WebP, BMP or TIFF.")]
    session_id: Annotated[
        str | None, Field(description="Needed here or in the header `X-Session-ID`.")
    ] = None
    classes: Annotated[
        list[ClassName], Field(description="Repeat for several; none: all of the session.")
    ] = []
    threshold: Annotated[
        _Threshold,
        PlainValidator(_threshold, json_schema_input_type=_Threshold),
        Field(
            description="Least probability of a foreground pixel. `calibrated`: for each class the "
            "one of its report card, and the model's own where it has none; `model`: the model's "
            "own for all. None: `calibrated`, unless the operator has set one.",
        ),
    ] = None
    output: Annotated[Output, Field(description="How masks are encoded.")] = "rle"
    absent: Annotated[
        Literal["keep", "drop"],
        Field(description="`drop` leaves out the classes that an image does not seem to hold."),
    ] = "keep"
    mode: Annotated[
        Literal["auto", "whole", "tiled"],
        Field(
            description="How an image is looked at. `whole`: squashed into the network's square. "
            "`tiled`: in overlapping tiles, at the scale at which the class was registered; finds "
            "small objects in large images, and takes as many times longer as there are tiles. "
            "`auto`: whole, and tiled only for classes that are likely too small to be seen so."
        ),
    ] = "auto"


class SupportResponse(BaseModel):
    """A class as it stands after registration."""

    session_id: str
    class_name: str
    shots: Annotated[int, Field(description="Shots the class has now.")]
    adapted: Annotated[bool, Field(description="Whether the head was fitted anew to the class.")]
    created: Annotated[datetime, Field(description="When the session was made.")]
    expires_at: Annotated[datetime, Field(description="Moves on with every use of the session.")]
    model: str
    warnings: list[str]
    report: Annotated[
        ReportCard | None, Field(description="Of the whole class; null with `report=false`.")
    ]


class RleMask(BaseModel):
    """COCO compressed run-length encoding."""

    size: Annotated[tuple[int, int], Field(description="Height and width.")]
    counts: str


class ClassResult(BaseModel):
    """Where one class was found in one image."""

    class_name: str
    present: Annotated[bool, Field(description="Whether the image seems to hold the class at all.")]
    presence: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="The score behind `present`, which is true from the model's "
            "`presence_threshold` on.",
        ),
    ]
    score: Annotated[
        float,
        Field(ge=0, le=1, description="Mean probability over the mask's pixels; 0 if it is empty."),
    ]
    area: Annotated[int, Field(ge=0, description="Pixels of the mask.")]
    bbox: Annotated[
        tuple[int, int, int, int] | None,
        Field(description="x, y, width, height in pixels; null if the mask is empty."),
    ]
    mask: Annotated[
        RleMask | str | list[list[float]],
        Field(
            description="`rle`: COCO RLE; `png`: base64 of an 8-bit PNG, 255 on the object; "
            "`polygon`: COCO polygons, each x, y, x, y, …"
        ),
    ]


class ImageResult(BaseModel):
    """Masks of one image, at its own displayed size, in the session's order of classes."""

    height: int
    width: int
    classes: list[ClassResult]


class SegmentResponse(BaseModel):
    """One result for each image, in order."""

    session_id: str
    model: str
    results: list[ImageResult]


class ClassSummary(BaseModel):
    """A class of a session."""

    class_name: str
    shots: int
    adapted: bool


class SessionResponse(BaseModel):
    """A session, its classes in order of registration."""

    session_id: str
    model: str
    created: datetime
    expires_at: datetime
    classes: list[ClassSummary]


class ModelSummary(BaseModel):
    """A network the service runs."""

    model: Annotated[str, Field(description="Name and revision, as in every other answer.")]
    default: Annotated[bool, Field(description="New sessions are bound to it that name none.")]
    name: str
    revision: str
    preset: str
    devices: Annotated[
        dict[str, Literal["fp32", "fp16", "int8"]],
        Field(description="What it runs on, and in which precision."),
    ]
    input_side: Annotated[int, Field(description="Pixels; images are resized to this square.")]
    threshold: Annotated[float, Field(description="Used when a request gives none.")]
    presence_threshold: Annotated[
        float, Field(description="Presence score from which a class counts as present.")
    ]
    metrics: Annotated[dict[str, float], Field(description="Measured in fp32.")]
    tiers: Annotated[
        dict[Literal["fp16", "int8"], dict[str, float]],
        Field(description="What was measured of each other precision that is there."),
    ]


class ModelsResponse(BaseModel):
    """The networks the service runs."""

    models: list[ModelSummary]


class StatusResponse(BaseModel):
    """The answer of a probe."""

    status: Literal["ok", "ready"]


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    location: str
    message: str


class Problem(BaseModel):
    """An error, as `application/problem+json` (RFC 9457)."""

    type: Annotated[str, Field(description="`urn:fss:problem:` and the code.")]
    title: str
    status: int
    detail: str
    code: Annotated[str, Field(description="Stable; the same as at the end of `type`.")]
    location: Annotated[
        str | None, Field(description="The part of the request at fault, such as `masks[2]`.")
    ] = None
    errors: Annotated[
        list[FieldProblem] | None, Field(description="Every field at fault, when several may be.")
    ] = None
    request_id: str | None = None
