"""When the service drops the session: what is in the tab stays, and is registered again."""

import json
from pathlib import Path

import httpx
import pytest
from selenium.webdriver import Keys

from tests.browser.playground import Playground
from tests.browser.scenes import scene_file, show
from tests.browser.wire import Wire, go_offline
from tests.service.pictures import BLUE

pytestmark = pytest.mark.browser

NOT_KEPT = "1 shot; not registered"


@pytest.fixture
def corrected(page: Playground, tmp_path: Path) -> Playground:
    """Two classes and two images; a mask of the first is painted by hand."""
    show(page, scene_file(tmp_path, "a.png")[0], "thing")
    show(page, scene_file(tmp_path, "b.png", colour=BLUE)[0], "other")
    page.choose("#query-files", [scene_file(tmp_path, f"{i}.png", seed=i)[0] for i in (3, 4)])
    page.found(2)
    correct(page)
    return page


def correct(page: Playground) -> None:
    page.click(".find .edit")
    page.editor()
    page.press(Keys.DELETE)
    page.tap((0.2, 0.2))
    page.close_editor("keep")
    page.until(lambda: page.texts(".find-score")[0] == "by hand")


def session_id(page: Playground) -> str:
    return str(page.driver.execute_script("return sessionStorage.getItem('fss.session')"))


def end(page: Playground) -> None:
    """As its time does, or another start of the service."""
    assert httpx.delete(f"{page.url}/sessions/{session_id(page)}").status_code == 204


def sizes(page: Playground) -> list[str]:
    return page.texts("#class-list .class-name small")


def masks(page: Playground) -> list[tuple[int, int]]:
    """The images and areas of all masks in the file."""
    coco = json.loads(page.download("#take-coco", "annotations.json").read_text())
    return [(each["image_id"], each["area"]) for each in coco["annotations"]]


def ended(page: Playground) -> None:
    """Wait until the page says so."""
    page.until(lambda: page.one("#ended").is_displayed())


def test_what_was_found_and_painted_outlives_the_session(corrected: Playground) -> None:
    page = corrected
    before = masks(page)
    end(page)
    page.slide("#threshold", 0.3)
    ended(page)
    assert page.one("#ended").get_attribute("role") == "alert"
    assert "2 classes are not registered any more" in page.one("#ended").text
    assert sizes(page) == [NOT_KEPT] * 2
    assert page.texts("#find-status") == ["2 images; the session has ended."]
    assert page.texts(".find-score")[0] == "by hand"
    assert not page.texts(".card-problem p")
    assert masks(page) == before
    page.click("#threshold-reset")
    go_offline(page, True)
    page.click("#revive")
    page.until(lambda: "cannot be reached" in page.one(".trouble").text)
    go_offline(page, False)
    assert sizes(page) == [NOT_KEPT] * 2
    page.click("#revive")
    page.until(lambda: not page.one("#ended").is_displayed())
    assert sizes(page) == ["1 shot"] * 2
    page.found(2)
    assert page.texts(".find-score")[0] == "by hand"
    assert masks(page) == before
    classes = httpx.get(f"{page.url}/sessions/{session_id(page)}").json()["classes"]
    assert [each["class_name"] for each in classes] == ["thing", "other"]


def test_the_end_is_told_to_whoever_acts_and_so_is_a_second_one(corrected: Playground) -> None:
    page = corrected
    for _ in range(2):
        end(page)
        page.click(".card:last-child .accept")
        page.until(lambda: "The session has ended" in page.one(".trouble").text)
        ended(page)
        page.click(".trouble button")
        page.click("#revive")
        page.until(lambda: not page.one("#ended").is_displayed())
        page.found(2)
    end(page)
    page.click("#menu-button")
    page.click("#save-session")
    ended(page)
    assert sizes(page) == [NOT_KEPT] * 2


def test_a_class_that_is_added_to_gets_back_its_shots_first(
    corrected: Playground, tmp_path: Path
) -> None:
    page = corrected
    end(page)
    page.slide("#threshold", 0.3)
    ended(page)
    wire = Wire(page)
    page.click(".card:last-child .accept")
    page.until(lambda: sizes(page) == ["2 shots", NOT_KEPT])
    assert [(each["images"], each["mode"]) for each in wire.sent()] == [
        (1, "replace"),
        (2, "replace"),
    ]
    assert "1 class is not registered" in page.one("#ended").text
    page.found(2)
    # A new one joins the session, and what is lost still waits.
    show(page, scene_file(tmp_path, "c.png")[0], "third")
    assert sizes(page) == ["2 shots", NOT_KEPT, "1 shot"]
    page.click("#revive")
    page.until(lambda: sizes(page) == ["2 shots", "1 shot", "1 shot"])


def test_shots_without_photographs_end_with_the_session(page: Playground, tmp_path: Path) -> None:
    show(page, scene_file(tmp_path, "a.png")[0], "thing")
    show(page, scene_file(tmp_path, "b.png", seed=2)[0], "other")
    page.reload()
    show(page, scene_file(tmp_path, "c.png", seed=3)[0], "thing")
    end(page)
    page.choose("#query-files", [scene_file(tmp_path, "query.png", seed=6)[0]])
    ended(page)
    assert "The photographs of 1 class are not in this tab" in page.one("#ended").text
    assert sizes(page) == [NOT_KEPT, "0 shots; not registered"]
    assert "1 shot cannot be registered again" in page.one(".class-report").text
    assert page.texts(".shot-name") == ["1. c.png"]
    assert page.texts("#take-status") == ["1 image without an answer."]
    page.click("#revive")
    page.until(lambda: sizes(page) == ["1 shot", "0 shots; not registered"])
    page.until(lambda: not page.all(".card.busy"))
    assert not page.one("#revive").is_displayed()
    show(page, scene_file(tmp_path, "d.png", seed=4)[0], "other")
    assert sizes(page) == ["1 shot"] * 2
    assert not page.one("#ended").is_displayed()


def test_only_who_deletes_or_begins_anew_drops_corrections(
    corrected: Playground, tmp_path: Path
) -> None:
    page = corrected
    end(page)
    page.slide("#threshold", 0.3)
    ended(page)
    page.click("[aria-label='Delete: thing']")
    page.answer("yes")
    page.until(lambda: sizes(page) == [NOT_KEPT])
    assert "by hand" not in page.texts(".find-score")
    page.click("#menu-button")
    page.click("#new-session")
    page.answer("yes")
    page.until(lambda: not page.all("#class-list li"))
    assert not page.one("#ended").is_displayed()
    show(page, scene_file(tmp_path, "next.png")[0], "thing")
    page.found(2)
    assert "by hand" not in page.texts(".find-score")
