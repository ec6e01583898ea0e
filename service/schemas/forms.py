"""The fields of request bodies."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, TypeAdapter, ValidationError

from service.schemas.image_names import IMAGE_KINDS
from service.schemas.names import ClassName, ModelReference
from service.schemas.wire import SESSION_HEADER

MAX_FILES = 16
Files = Annotated[list[bytes], Field(min_length=1, max_length=MAX_FILES)]
Output = Literal["rle", "png", "polygon"]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
LookMode = Literal["auto", "whole", "tiled"]
Absent = Literal["keep", "drop"]
RegisterMode = Literal["append", "replace"]
Adapt = bool | Literal["auto"]
Threshold = Probability | Literal["calibrated", "model"] | None


def _threshold(value: object) -> object:
    """One error message for all forms, where a union would give one for each."""
    if value is None or value in ("calibrated", "model"):
        return value
    try:
        return _PROBABILITY.validate_python(value)
    except ValidationError as exc:
        raise ValueError("must be a number from 0 to 1, 'calibrated' or 'model'") from exc


def _adapt(value: object) -> object:
    """One error message for both forms, as for a threshold."""
    if value == "auto":
        return value
    try:
        return _BOOL.validate_python(value)
    except ValidationError as exc:
        raise ValueError("must be 'true', 'false' or 'auto'") from exc


_BOOL = TypeAdapter(bool)
_PROBABILITY = TypeAdapter(Probability)

_FORMATS = (
    f"{IMAGE_KINDS}, but no BMP in run-length coding, and no TIFF in that of faxes. Grey of 16 "
    "bits is divided by 65535, so that a picture of 10 or 12 bits is read as nearly black: stretch "
    "its values before."
)


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SupportForm(_Form):
    """Fields of `POST /support`."""

    class_name: Annotated[
        ClassName, Field(description="1 to 64 characters, counted in normal form (NFC).")
    ]
    images: Annotated[Files, Field(description=_FORMATS)]
    masks: Annotated[
        Files,
        Field(
            description="One for each image, in the same order: nonzero is object, so set to 0 "
            "what is of other classes, and void (often 255) as well. A palette is read by index, "
            "and an alpha channel must be nonzero too. In a lossy file "
            "(JPEG, lossy WebP) object is 128 and more. 16 bits a channel only in grey. Same size "
            "as the image as displayed, that is after its EXIF orientation."
        ),
    ]
    session_id: Annotated[
        str | None, Field(description="An existing session; none: a new one is made.")
    ] = None
    model: Annotated[
        ModelReference | None,
        Field(
            description="What a new session is bound to: a name from `GET /models`, which means "
            "its newest revision, or `name@revision`; none: the default. A session that exists "
            "keeps its own, and another one here is refused.",
        ),
    ] = None
    mode: Annotated[
        RegisterMode,
        Field(description="Add to the shots the class already has, or replace them."),
    ] = "append"
    adapt: Annotated[
        Adapt,
        PlainValidator(_adapt, json_schema_input_type=Adapt),
        Field(
            description="Whether the head's last layer is refitted to the supports of this "
            "request, within a second or so for a few shots. That helps where images are unlike "
            "photographs (cells, surfaces, X-rays) and does harm on photographs. `auto` tries it: "
            "it holds out each support, or each quarter of a single one, marks it by a fit to the "
            "rest, and fits as far as that helps; with several supports it also chooses the "
            "threshold that marks them best. Where images are unlike photographs, outlines are "
            "then corrected by the colours of the pixels, again as far as that helps. Send all "
            "shots of a class together: a new fit "
            "replaces an earlier one, and shots that are added without a fit leave it as it is."
        ),
    ] = "auto"
    report: Annotated[
        bool,
        Field(
            description="Judge the shots by each other. With `adapt=auto` and a report, the "
            "defaults, a registration takes two to three times as long as with neither; `false` "
            "alone saves a third of that at most."
        ),
    ] = True


class SegmentForm(_Form):
    """Fields of `POST /segment`."""

    images: Annotated[Files, Field(description=_FORMATS)]
    session_id: Annotated[
        str | None, Field(description=f"Needed here or in the header `{SESSION_HEADER}`.")
    ] = None
    classes: Annotated[
        list[ClassName],
        Field(
            description="Repeat for several; none: all of the session. A pixel is of one class at "
            "most, the likeliest of those that are asked for, so the mask of a class depends on "
            "the others."
        ),
    ] = []
    threshold: Annotated[
        Threshold,
        PlainValidator(_threshold, json_schema_input_type=Threshold),
        Field(
            description="Least probability of a foreground pixel. `calibrated`: for each class the "
            "threshold of its report card, or the model's own for a class without one; `model`: "
            "the model's own for all. Left out: `calibrated`, unless the operator has set one.",
        ),
    ] = None
    output: Annotated[Output, Field(description="How masks are encoded.")] = "rle"
    absent: Annotated[
        Absent,
        Field(description="`drop` leaves out the classes that an image does not seem to hold."),
    ] = "keep"
    mode: Annotated[
        LookMode,
        Field(
            description="How an image is looked at. `whole`: squashed into the network's square. "
            "`tiled`: in overlapping tiles, at the scale at which the class was registered; finds "
            "small objects in large images, and takes as many times longer as there are tiles. "
            "`auto`: as a whole first; then small regions that were marked are segmented again "
            "in close-up, and classes that are likely too small for that are looked for in tiles."
        ),
    ] = "auto"
