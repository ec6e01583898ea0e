"""Options that several commands have, named as the fields of the service's forms."""

from collections.abc import Collection
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from service.cli.failure import USAGE, CommandError

if TYPE_CHECKING:
    from service.schemas import Adapt, Format, Threshold


class FormatName(StrEnum):
    """As `service.schemas.FORMATS`, which takes longer to import than help may take."""

    PNG = "png"
    COCO = "coco"
    YOLO = "yolo"
    GEOJSON = "geojson"


Formats = Annotated[
    list[FormatName], typer.Option("--format", help="Format of the results; repeat for several.")
]
Url = Annotated[
    str | None,
    typer.Option(help="Address of the service; else FSS_CLIENT_URL, else http://127.0.0.1:8000."),
]
Mode = Annotated[
    Literal["auto", "whole", "tiled"],
    typer.Option(help="How images are looked at; tiled finds small objects in large ones."),
]
ThresholdText = Annotated[
    str | None,
    typer.Option(
        "--threshold",
        metavar="P|calibrated|model",
        help="Least probability of an object's pixel; calibrated: what the shots suggest.",
    ),
]
Absent = Annotated[
    Literal["keep", "drop"],
    typer.Option(help="Drop classes that an image does not seem to hold, or keep their masks."),
]
InstancesChoice = Annotated[
    Literal["component", "class"],
    typer.Option(
        "--instances", help="One object of coco, yolo, geojson: a connected part, or a whole class."
    ),
]
SegmentationChoice = Annotated[
    Literal["rle", "polygon"],
    typer.Option(
        "--segmentation", help="Of coco: exact run lengths, or polygons for tools that need those."
    ),
]
MinArea = Annotated[
    int,
    typer.Option(min=0, help="Least pixels of a connected part in coco, yolo, geojson."),
]
AdaptChoice = Annotated[
    Literal["auto", "true", "false"],
    typer.Option(help="Fit the head to the shots: true where images are unlike photographs."),
]
ADAPT: "dict[str, Adapt]" = {"auto": "auto", "true": True, "false": False}


def threshold_of(text: str | None) -> "Threshold":
    """What was typed.

    Raises:
        CommandError: it is no threshold.
    """
    if text is None:
        return None
    for word in ("calibrated", "model"):
        if text == word:
            return word
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise CommandError("--threshold is a number from 0 to 1, calibrated or model", USAGE)
    return number


def chosen(formats: Collection[FormatName]) -> "list[Format]":
    """Each format once."""
    from service.schemas import FORMATS

    return [each for each in FORMATS if each in formats]
