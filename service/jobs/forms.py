"""The form that makes a job."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from service.schemas import FORMATS, CocoSegmentation, Format, Instances, SegmentForm


def _each_once(formats: list[Format]) -> list[Format]:
    return list(dict.fromkeys(formats))


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
    folder: Annotated[
        str | None,
        Field(
            description="Of the server's own disk, below one that its operator allowed; images "
            "are read from it as they are worked on, those of the folders in it too."
        ),
    ] = None
    output: Literal["rle"] = "rle"
    formats: Annotated[
        list[Format],
        AfterValidator(_each_once),
        Field(
            default_factory=lambda: list(FORMATS),
            min_length=1,
            description="Of the results; repeat for several.",
        ),
    ]
    instances: Annotated[
        Instances, Field(description="One object: a connected part, or all of a class.")
    ] = "component"
    segmentation: Annotated[CocoSegmentation, Field(description="Of COCO JSON.")] = "rle"
    min_area: Annotated[
        int,
        Field(
            ge=0,
            description="Pixels; connected parts of a mask that have fewer are left out, except of "
            "label maps.",
        ),
    ] = 0
