"""What the service says of shots, in the page's own words."""

from typing import Any

import pytest

from tests.browser.playground import Playground

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)>"
READ = """
const [from, answer, first, done] = arguments;
import(from).then((module) => {
  const {notesOf, remarksOf, scoresOf, suggestionOf, thresholdOf} = module;
  const {report} = answer;
  const remarks = remarksOf({notes: notesOf(answer, first), report});
  done([remarks, [...scoresOf(report)], suggestionOf(report), thresholdOf(report)]);
}).catch((problem) => done(String(problem)));
"""
HEADING = """
const [from, shots, done] = arguments;
import(from).then(({headingOf}) => done(headingOf({shots})), done);
"""


def script(page: Playground) -> str:
    """Where the module is."""
    module = page.one("script[type=module]").get_attribute("src")
    assert module is not None
    return module.replace("main.js", "report.js")


def read(page: Playground, answer: dict[str, object], first: int = 0) -> list[Any]:
    """Remarks, scores, suggestion and threshold, of an answer whose first file was that shot."""
    found: list[Any] = page.driver.execute_async_script(READ, script(page), answer, first)
    return found


def test_warnings_are_told_of_the_shots_and_once(page: Playground) -> None:
    inverted = "shots[1]: its mask seems to mark the background"
    covers = "the mask covers over 90 % of the image"
    answer: dict[str, object] = {
        "warnings": [
            inverted,
            f"masks[1]: {covers}",
            "images[2]: the same image and mask as images[0]; it adds nothing",
            "something else",
        ],
        "report": {
            "shots": [
                {"shot": 1, "iou": 0.2, "suspicion": 0.9},
                {"shot": 3, "iou": 0.81, "suspicion": None},
                {"shot": 4, "iou": "0.5"},
            ],
            "warnings": [
                {"code": "touches_every_border", "shot": 1, "message": "of the background"},
                {"code": "nearly_full_mask", "shot": 1, "message": "since it is inverted"},
                {"code": "nearly_full_mask", "shot": 3, "message": f"shots[3]: {covers}"},
                {"code": "probably_inverted", "shot": 1, "message": inverted},
                {"code": "of_a_later_version", "shot": 3, "message": f"mind {HOSTILE}"},
                {"code": "low_agreement", "shot": None, "message": "IoU 0.21"},
            ],
            "suggestion": "Swap object and background in the mask of shots[1]. Add shots that "
            "show the object under 0.5 % in other poses. Send all shots with adapt=true.",
            "threshold": 0.549,
        },
    }
    remarks, scores, suggestion, threshold = read(page, answer, first=2)
    assert [each["shot"] for each in remarks] == [1, 3, None, 3, 4, None]
    texts = [each["text"] for each in remarks]
    assert texts[0].startswith("Seems to mark the background")
    assert texts[1].startswith("Leaves hardly any background")
    assert texts[2].startswith("The shots are poorly found")
    assert texts[3] == f"Mind {HOSTILE}"
    assert texts[4:] == ["The same image and mask as shot 3; it adds nothing", "Something else"]
    assert scores == [[1, {"iou": 0.2, "flagged": True}], [3, {"iou": 0.81, "flagged": False}]]
    assert suggestion == "Add shots that show the object under 0.5 % in other poses."
    assert threshold == "Automatic uses the threshold 0.55 for it."


@pytest.mark.parametrize("report", [None, {"shots": 3, "warnings": "none", "threshold": 7}])
def test_a_report_that_is_missing_or_odd_says_nothing(
    page: Playground, report: dict[str, object] | None
) -> None:
    told = "masks[0]: the mask covers under 0.05 % of the image"
    remarks, *rest = read(page, {"warnings": [told], "report": report})
    assert remarks == [{"shot": 0, "text": "The mask covers under 0.05 % of the image"}]
    assert rest == [[], "", ""]


@pytest.mark.parametrize(
    ("others", "heading"),
    [
        ([], "Shots"),
        ([0], "Shot, as its own mirror image finds it (IoU)"),
        ([2, 2, 2], "Shots, as the others find them (IoU)"),
        ([0, 1], "Shots, as others or their own mirror image find them (IoU)"),
    ],
)
def test_what_the_scores_are_is_told(page: Playground, others: list[int], heading: str) -> None:
    shots = [{"shot": i, "iou": 0.5, "predicted_from": each} for i, each in enumerate(others)]
    assert page.driver.execute_async_script(HEADING, script(page), shots) == heading
