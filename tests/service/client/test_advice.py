"""What people are told of shots: each warning once, with the names of the files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.client.advice import Registered, advice
from service.image_files import Shots
from service.schemas import ReportCard, ReportWarning, SupportResponse, WarningCode

INVERTED = "the mask seems to mark the background instead of the object"
SUGGESTION = "Swap object and background in the mask of shots[{}]."


def warning(shot: int, code: WarningCode, reason: str) -> ReportWarning:
    return ReportWarning(code=code, shot=shot, message=f"shots[{shot}]: {reason}")


def answer(shots: int, *judged: ReportWarning, said: tuple[str, ...] = ()) -> SupportResponse:
    """The response to a request after which the class has so many shots."""
    report = ReportCard(
        shots=[],
        unjudged=[],
        mean_iou=1,
        threshold=0.5,
        warnings=list(judged),
        suggestion=SUGGESTION.format(judged[0].shot) if judged else "nothing needs to be done",
    )
    moment: Any = "2026-01-01T00:00:00Z"
    return SupportResponse(
        session_id="s",
        class_name="duck",
        shots=shots,
        adapted=False,
        created=moment,
        expires_at=moment,
        model="m",
        warnings=list(said),
        report=report,
    )


def shots(*names: str | bytes) -> Shots:
    """Images of those names, or files that have none, whose masks are arrays."""
    images = [Path(name) if isinstance(name, str) else name for name in names]
    return Shots(images, [np.ones((2, 2), np.bool_)] * len(names), False)


def test_shots_have_the_names_of_their_files() -> None:
    response = answer(2, warning(1, "probably_inverted", INVERTED))
    assert advice([Registered(shots("in/a.jpg", "in/b.jpg"), response)]) == [
        f"b.jpg: {INVERTED}",
        "Swap object and background in the mask of b.jpg.",
    ]


def test_files_of_one_name_are_told_apart() -> None:
    response = answer(2, warning(1, "probably_inverted", INVERTED))
    told = advice([Registered(shots("one/a.jpg", "two/a.jpg"), response)])
    assert told[0] == f"two/a.jpg: {INVERTED}"


def test_a_shot_that_was_registered_before_has_its_number() -> None:
    judged = (warning(0, "probably_inverted", INVERTED), warning(3, "probably_inverted", INVERTED))
    told = advice([Registered(shots("a.jpg", "b.jpg"), answer(4, *judged))])
    assert told[:2] == [f"shots[0]: {INVERTED}", f"b.jpg: {INVERTED}"]


def test_shots_of_several_requests_are_counted_through() -> None:
    repeated = "images[1]: the same image and mask as images[0]; it adds nothing"
    inverted = warning(2, "probably_inverted", INVERTED)
    requests = [
        Registered(shots("a.jpg", "b.jpg"), answer(2, said=(repeated,))),
        Registered(shots("c.jpg"), answer(3, inverted)),
    ]
    assert advice(requests) == [
        f"c.jpg: {INVERTED}",
        "b.jpg: the same image and mask as a.jpg; it adds nothing",
        "Swap object and background in the mask of c.jpg.",
    ]


@pytest.mark.parametrize("said", [f"shots[2]: {INVERTED}", "the class as a whole"])
def test_what_the_report_says_is_told_once(said: str) -> None:
    whole = ReportWarning(code="low_agreement", shot=None, message="the class as a whole")
    response = answer(3, warning(2, "probably_inverted", INVERTED), whole, said=(said,))
    told = advice([Registered(shots("a.jpg", "b.jpg"), response)])
    assert told[:-1] == [f"b.jpg: {INVERTED}", "the class as a whole"]


@pytest.mark.parametrize("names", [("old.jpg", "a.jpg"), (b"old", b"a")])
def test_what_is_said_of_a_mask_and_of_its_shot_is_told_once(names: tuple[Any, Any]) -> None:
    covers = "the mask covers under 0.05 % of the image"
    told_of_file = f"masks[0]: {covers}"
    requests = [
        Registered(shots(names[0]), answer(1)),
        Registered(
            shots(names[1]),
            answer(2, warning(1, "nearly_empty_mask", covers), said=(told_of_file,)),
        ),
    ]
    name = names[1] if isinstance(names[1], str) else "shots[1]"
    assert advice(requests)[:-1] == [f"{name}: {covers}"]
    # Without a report it is all that there is.
    alone = requests[1].response.model_copy(update={"report": None})
    told = advice([requests[0], Registered(shots(names[1]), alone)])
    assert told == [f"{name}: {covers}"]


def test_what_a_later_report_has_no_more_is_not_told_of_an_earlier_one() -> None:
    judged = warning(0, "unlike_others", "the shot is unlike the others")
    requests = [
        Registered(shots("a.jpg"), answer(1, judged, said=(judged.message,))),
        Registered(shots("b.jpg"), answer(2)),
    ]
    assert advice(requests) == []


def test_a_mask_has_the_name_of_its_image() -> None:
    several = "masks[1]: the mask has the values 1, 255, which were all taken as object"
    told = advice([Registered(shots("a.jpg", "b.jpg"), answer(2, said=(several,)))])
    assert told == ["b.jpg: the mask has the values 1, 255, which were all taken as object"]


def test_good_shots_need_no_advice() -> None:
    assert advice([Registered(shots("a.jpg"), answer(1))]) == []
