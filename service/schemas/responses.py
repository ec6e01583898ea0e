"""The bodies of responses."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from service.schemas.report_card import ReportCard


class SupportResponse(BaseModel):
    """A class as it stands after registration."""

    session_id: str
    class_name: str
    shots: Annotated[int, Field(description="Shots the class has now.")]
    adapted: Annotated[
        bool, Field(description="Whether the answer is adapted to the class: see `adapt`.")
    ]
    created: Annotated[datetime, Field(description="When the session was made.")]
    expires_at: Annotated[datetime, Field(description="Moves on with every use of the session.")]
    model: str
    warnings: Annotated[
        list[str],
        Field(
            description="About these files, each behind its `images[i]` or `masks[i]`, and what "
            "the report has about these shots and the class."
        ),
    ]
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
            "`polygon`: COCO polygons, each x, y, x, y, …, of the parts that hang together by "
            "edges; a hole is joined to the outside by a slit of no width. Filled by pycocotools "
            "they are the very mask; OpenCV and Pillow also paint the edges, and Shapely needs "
            "`make_valid` because of the slits."
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

    model: Annotated[str, Field(description="Name and revision, as in all other responses.")]
    default: Annotated[bool, Field(description="Whether sessions that name no model use this one.")]
    name: str
    revision: str
    preset: str
    devices: Annotated[
        dict[str, Literal["fp32", "fp16", "int8"]],
        Field(description="What it runs on, and in which precision; empty until it is ready."),
    ]
    input_side: Annotated[int, Field(description="Pixels; images are resized to this square.")]
    threshold: Annotated[
        float, Field(description="Of classes without a calibrated one, and for `model`.")
    ]
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
    """The response of a probe."""

    status: Literal["ok", "ready"]
