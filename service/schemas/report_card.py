"""The report card of a class, as responses carry it."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

WarningCode = Literal[
    "nearly_empty_mask",
    "tiny_mask",
    "nearly_full_mask",
    "touches_every_border",
    "probably_inverted",
    "probably_shifted",
    "unlike_others",
    "low_agreement",
]
Share = Annotated[float, Field(ge=0, le=1)]


class ReportWarning(BaseModel):
    """Something to look at before the class is trusted."""

    code: Annotated[WarningCode, Field(description="Stable.")]
    shot: Annotated[
        int | None, Field(description="Which shot, counted from 0; null: the class as a whole.")
    ]
    message: str


class ShotReport(BaseModel):
    """One shot, predicted by the class of the others; see `ReportCard`."""

    shot: Annotated[int, Field(ge=0, description="Counted from 0, in order of registration.")]
    predicted_from: Annotated[
        int,
        Field(
            ge=0,
            description="Number of other shots it was predicted from, when it came; 0: from its "
            "own mirror image, since there was no other.",
        ),
    ]
    iou: Annotated[Share, Field(description="With the mask, at the model's threshold.")]
    area: Annotated[Share, Field(description="Share of the image that the mask marks.")]
    suspicion: Annotated[
        Share | None,
        Field(description="0.5 and more is flagged; null: there was no other shot to compare."),
    ]


class ReportCard(BaseModel):
    """What the supports say of each other.

    Shots are judged when they come, since their images are not kept: a shot that is appended is
    judged from those that were there and came with it, and what was found of the earlier ones
    stays as it was. Shots of one image that come together are judged as one, whose mask marks the
    objects of all.
    """

    shots: list[ShotReport]
    unjudged: Annotated[
        list[int], Field(description="Shots that came with `report=false`, or before reports.")
    ]
    mean_iou: Share
    threshold: Annotated[
        Share,
        Field(
            description="Calibrated on the shots, for `threshold=calibrated` of `POST /segment`: "
            "the one of greatest mean IoU, drawn towards the model's the fewer shots there are; "
            "of an adapted class the model's, where its fit was made to be cut."
        ),
    ]
    warnings: list[ReportWarning]
    suggestion: Annotated[str, Field(description="What to do next, in words.")]
