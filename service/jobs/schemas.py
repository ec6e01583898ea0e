"""What jobs are asked for with, and how they are told of."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from service.formats import FORMATS, Format, Instances, Segmentation
from service.schemas import SegmentForm

State = Literal["queued", "running", "done", "cancelled"]
FINISHED: frozenset[State] = frozenset({"done", "cancelled"})


class JobForm(SegmentForm):
    """Fields of `POST /jobs`: those of `POST /segment`, and how results are written."""

    images: Annotated[
        list[bytes],
        Field(default_factory=list, description="As many as fit; their names are kept."),
    ]
    archive: Annotated[
        list[bytes],
        Field(
            default_factory=list,
            max_length=1,
            description="A zip of images; other files in it are passed over.",
        ),
    ]
    output: Literal["rle"] = "rle"
    formats: Annotated[
        list[Format],
        Field(
            default_factory=lambda: list(FORMATS),
            min_length=1,
            description="Of the results; repeat for several.",
        ),
    ]
    instances: Annotated[
        Instances, Field(description="One object: a connected part, or all of a class.")
    ] = "component"
    segmentation: Annotated[Segmentation, Field(description="Of COCO JSON.")] = "rle"


class FailedImage(BaseModel):
    """An image of a job without a result, and why."""

    file_name: str
    code: str
    detail: str


class JobResponse(BaseModel):
    """A job and how far it is."""

    job_id: str
    state: State
    total: int
    done: int
    failed: int
    created: datetime
    eta_s: Annotated[float | None, Field(description="Seconds left; null when not known.")] = None
    errors: Annotated[list[FailedImage], Field(description="The first 100.")] = []


class JobsResponse(BaseModel):
    """One's own jobs, newest first."""

    jobs: list[JobResponse]
