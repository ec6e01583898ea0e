"""The report card of a class, read from what is kept of its shots."""

from collections.abc import Iterator, Mapping

import numpy as np

from model.contract import SupportSet
from service.schemas import ReportCard, ReportWarning, ShotReport, WarningCode
from service.sessions.judging.calibration import class_threshold
from service.sessions.judging.repeats import appearance
from service.sessions.judging.rows import Judgement, read_rows
from service.sessions.judging.score import Kind, Suspicion, mostly_border, suspicions
from service.sessions.mask_size import SIZE_MESSAGES, size_code

_FLAGGED = 0.5
_ALL_SIDES = 4
_LOW_IOU = 0.3
_FEW = 3

_CODES: Mapping[Kind, WarningCode] = {
    "wrong_class": "unlike_others",
    "inverted": "probably_inverted",
    "shifted": "probably_shifted",
}
# Behind the shot as an index from 0, like files of a request: "shots[1]: the mask ...".
_MESSAGES: Mapping[WarningCode, str] = {
    **SIZE_MESSAGES,
    "touches_every_border": "the mask touches every border of its image",
    "probably_inverted": "the mask seems to mark the background instead of the object",
    "probably_shifted": "the mask does not seem to lie on its object",
    "unlike_others": "the shot is unlike the others: perhaps another class, or a poor mask",
}
# What to do about it; of several, the first is suggested first.
_ADVICE: Mapping[WarningCode, str] = {
    "probably_inverted": "Swap object and background in the mask of {}.",
    "probably_shifted": "Draw the mask of {} again, or check that it belongs to that very image.",
    "unlike_others": "Check that {} shows the same class and is masked like the rest; leave it "
    "out or register it as a class of its own.",
    "nearly_full_mask": "Use images for {} that show background around the object.",
    "nearly_empty_mask": "Mask the whole object in {}.",
    "tiny_mask": "Leave {} if the images to be segmented show the object as small, since it is "
    "learned in close-up too; otherwise use some that show it larger.",
    "touches_every_border": "Add shots beside {} in which the whole object is in view.",
}


def report_card(supports: SupportSet, own_threshold: float) -> ReportCard | None:
    """The card of a class, if any of its shots was judged.

    Args:
        supports: the class.
        own_threshold: the model's, where the calibrated one starts from.
    """
    judged = read_rows(supports.judgements)
    if not judged:
        return None
    signals = {shot: each.signals for shot, each in judged.items()}
    suspects = suspicions(signals)
    inverted = mostly_border(signals.values())
    mean_iou = float(np.mean([each.iou for each in judged.values()]))
    warnings = [
        warning
        for shot, each in judged.items()
        for warning in _warn(shot, each, suspects.get(shot), all_inverted=inverted)
    ]
    alone = all(each.others == 0 for each in judged.values())
    if mean_iou < _LOW_IOU:
        found = "the shot is found poorly in its own image"
        if not alone:
            found = "the shots predict each other poorly"
        message = f"{found}: IoU {mean_iou:.2f} on average"
        warnings.append(ReportWarning(code="low_agreement", shot=None, message=message))
    return ReportCard(
        shots=[_describe(shot, each, suspects.get(shot)) for shot, each in judged.items()],
        unjudged=[k for k in range(len(supports.shots)) if k not in judged],
        mean_iou=mean_iou,
        threshold=class_threshold(supports, own_threshold),
        warnings=warnings,
        suggestion=_suggest(warnings, 1 if alone else _distinct(supports)),
    )


def _distinct(supports: SupportSet) -> int:
    """The number of shots without repeats, which show nothing new."""
    return len({appearance(shot) for shot in supports.shots})


def _describe(shot: int, judged: Judgement, suspect: Suspicion | None) -> ShotReport:
    return ShotReport(
        shot=shot,
        predicted_from=judged.others,
        iou=judged.iou,
        area=judged.signals.area,
        suspicion=None if suspect is None else suspect.probability,
    )


def _warn(
    shot: int, judged: Judgement, suspect: Suspicion | None, *, all_inverted: bool
) -> Iterator[ReportWarning]:
    codes = [*_mask_codes(judged)]
    if code := _suspect_code(judged, suspect, all_inverted=all_inverted):
        codes.append(code)
    for code in codes:
        yield ReportWarning(code=code, shot=shot, message=f"{_place(shot)}: {_MESSAGES[code]}")


def _mask_codes(judged: Judgement) -> Iterator[WarningCode]:
    """What the mask alone shows."""
    if code := size_code(judged.signals.area):
        yield code
    if judged.sides == _ALL_SIDES:
        yield "touches_every_border"


def _suspect_code(
    judged: Judgement, suspect: Suspicion | None, *, all_inverted: bool
) -> WarningCode | None:
    """What the other shots show, or the borders of all.

    A bad shot spoils what the others say of each other, so what is wrong with a flagged one is
    also told by its border where that is plain. Where all are inverted, they agree: nothing but
    the borders tells.
    """
    if all_inverted:
        return "probably_inverted"
    if suspect is None or suspect.probability < _FLAGGED:
        return None
    return "probably_inverted" if mostly_border([judged.signals]) else _CODES[suspect.kind]


def _suggest(warnings: list[ReportWarning], distinct: int) -> str:
    found = [
        advice.format(_listed([w.shot for w in warnings if w.code == code and w.shot is not None]))
        for code, advice in _ADVICE.items()
        if any(warning.code == code for warning in warnings)
    ]
    if not found and any(warning.code == "low_agreement" for warning in warnings):
        found.append(
            "Add shots like the images to be segmented; where those are unlike photographs, "
            "send all shots together with adapt=true."
        )
    if distinct < _FEW:
        found.append("Add shots that show the object in other poses, sizes and surroundings.")
    return " ".join(found) or "The shots agree with each other: nothing needs to be done."


def _listed(shots: list[int]) -> str:
    return ", ".join(map(_place, shots))


def _place(shot: int) -> str:
    return f"shots[{shot}]"
