"""Shots that are registered: seen with what is said of them, corrected, removed, and joined."""

from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from selenium.webdriver import Keys

from tests.browser.conftest import Serve
from tests.browser.playground import Playground
from tests.browser.scenes import SIZE, outline, scene_file, show
from tests.browser.wire import Wire

pytestmark = pytest.mark.browser


def add(page: Playground, folder: Path, *names: str, inverted: str = "") -> None:
    """Images with their masks, not registered yet."""
    page.photo_size = SIZE
    page.choose("#shot-files", [scene_file(folder, name, seed=len(name))[0] for name in names])
    for name in names:
        page.editor()
        outline(page)
        if name == inverted:
            page.press("i")
        page.close_editor("done")


@pytest.fixture
def flagged(page: Playground, tmp_path: Path) -> Playground:
    """A class of three shots; the mask of the second is inverted."""
    add(page, tmp_path, "a.png", "bb.png", "ccc.png", inverted="bb.png")
    page.type("#class-name", "thing")
    page.register()
    return page


def shot_count(page: Playground) -> int:
    (words,) = page.texts("#class-list .class-name small")
    return int(words.split()[0])


def marked(page: Playground) -> list[bool]:
    """Whether the middle of each shot's miniature is under its mask."""
    found: list[bool] = page.driver.execute_script(
        "return [...document.querySelectorAll('.miniature .layer')].map((c) =>"
        " c.getContext('2d').getImageData(c.width / 2, c.height / 2, 1, 1).data[3] > 0)"
    )
    return found


def test_a_flagged_shot_is_seen_and_corrected(flagged: Playground) -> None:
    page = flagged
    assert page.texts(".shot-name") == ["1. a.png", "2. bb.png", "3. ccc.png"]
    assert len(page.texts(".shot-score .number")) == 3
    row = page.all(".class-shot")[1]
    assert "Seems to mark the background" in row.text
    assert "flagged" in str(row.get_attribute("class"))
    assert "shot 1" not in page.one(".class-report").text.lower()
    assert marked(page) == [True, False, True]
    wire = Wire(page)
    page.click("[aria-label='Edit shot 2: thing']")
    page.editor()
    page.press("i")
    page.close_editor("register")
    page.until(lambda: marked(page) == [True, True, True])
    (sent,) = wire.sent()
    assert (sent["images"], sent["mode"], sent["adapt"]) == (3, "replace", "auto")
    assert not page.texts(".class-shot .warnings li")
    assert shot_count(page) == 3
    focus = page.driver.switch_to.active_element
    assert focus.get_attribute("aria-label") == "Edit shot 2: thing"


def test_a_single_shot_is_not_said_to_be_found_by_others(page: Playground, tmp_path: Path) -> None:
    show(page, scene_file(tmp_path, "a.png")[0], "thing")
    assert page.texts(".class-shots summary") == ["Shot, as its own mirror image finds it (IoU)"]
    add(page, tmp_path, "bb.png")
    page.type("#class-name", "thing")
    page.register()
    assert page.texts(".class-shots summary") == ["Shots, as the others find them (IoU)"]


def test_a_shot_is_removed(flagged: Playground) -> None:
    page = flagged
    wire = Wire(page)
    page.click("[aria-label='Remove shot 2: thing']")
    assert "bb.png" in page.one("dialog.question").text
    page.answer("no")
    page.click("[aria-label='Remove shot 2: thing']")
    page.answer("yes")
    page.until(lambda: shot_count(page) == 2)
    (sent,) = wire.sent()
    assert (sent["images"], sent["mode"]) == (2, "replace")
    assert page.texts(".shot-name") == ["1. a.png", "2. ccc.png"]
    assert marked(page) == [True, True]
    page.click("[aria-label='Remove shot 1: thing']")
    page.answer("yes")
    page.until(lambda: page.texts(".shot-name") == ["1. ccc.png"])
    assert not page.one("[aria-label='Remove shot 1: thing']").is_displayed()


def test_what_was_painted_survives_a_lost_answer_and_nothing_is_no_mask(
    flagged: Playground,
) -> None:
    page = flagged
    wire = Wire(page)
    page.click("[aria-label='Edit shot 2: thing']")
    page.editor()
    page.press(Keys.DELETE)
    page.close_editor("register")
    page.until(lambda: "Nothing is painted" in page.one(".trouble").text)
    page.click(".trouble button")
    wire.lose(1)
    page.click("[aria-label='Edit shot 2: thing']")
    page.editor()
    page.press("i")
    page.close_editor("register")
    page.until(lambda: "cannot be reached" in page.one(".trouble").text)
    assert marked(page) == [True, False, True]
    page.click("[aria-label='Edit shot 2: thing']")
    page.editor()
    page.close_editor("register")
    page.until(lambda: marked(page) == [True, True, True])
    lost, again = wire.sent()
    assert lost == again


def test_added_shots_are_fitted_with_those_there_are(page: Playground, tmp_path: Path) -> None:
    add(page, tmp_path, "a.png")
    page.type("#class-name", "thing")
    page.click(".options summary")
    page.choose_option("#adapt", "always")
    wire = Wire(page)
    page.register()
    add(page, tmp_path, "bb.png")
    page.type("#class-name", "thing")
    hint = "1 shot ready. Registered together with the 1 shot that thing has."
    assert page.texts("#register-hint") == [hint]
    page.register()
    page.choose("#query-files", [scene_file(tmp_path, "query.png", seed=6)[0]])
    page.found(1)
    assert page.one(".find .accept").get_attribute("title") == "Add as a shot"
    page.click(".find .accept")
    page.until(lambda: shot_count(page) == 3)
    asked = [(each["images"], each["mode"], each["adapt"]) for each in wire.sent()]
    assert asked == [(1, "append", "true"), (2, "replace", "true"), (3, "replace", "true")]
    assert page.texts("#class-list .class-name small") == ["3 shots, fitted"]
    assert page.texts(".shot-name") == ["1. a.png", "2. bb.png", "3. query.png"]


def test_two_answers_that_are_added_at_once_are_both_there(
    page: Playground, tmp_path: Path
) -> None:
    show(page, scene_file(tmp_path, "a.png")[0], "thing")
    page.choose("#query-files", [scene_file(tmp_path, f"{i}.png", seed=i)[0] for i in (1, 2)])
    page.found(2)
    wire = Wire(page)
    page.driver.execute_script(
        "for (const button of document.querySelectorAll('.find .accept')) button.click()"
    )
    page.until(lambda: shot_count(page) == 3)
    assert [(each["images"], each["mode"]) for each in wire.sent()] == [
        (2, "replace"),
        (3, "replace"),
    ]


def test_without_its_photographs_a_class_is_shown_and_added_to(
    page: Playground, tmp_path: Path
) -> None:
    add(page, tmp_path, "a.png")
    page.type("#class-name", "thing")
    page.click(".options summary")
    page.choose_option("#adapt", "always")
    page.register()
    page.reload()
    page.until(lambda: page.texts(".shot-name") == ["Shot 1"])
    assert not [each for each in page.all(".shot-tools button") if each.is_displayed()]
    assert "the photographs are not in this tab" in page.one(".class-report").text
    add(page, tmp_path, "bb.png")
    page.type("#class-name", "thing")
    assert "The fit stays as it is" in page.one("#register-hint").text
    wire = Wire(page)
    page.register()
    page.choose("#query-files", [scene_file(tmp_path, "query.png", seed=6)[0]])
    page.found(1)
    assert "The fit stays as it is" in str(page.one(".find .accept").get_attribute("title"))
    page.click(".find .accept")
    page.until(lambda: shot_count(page) == 3)
    asked = [(each["images"], each["mode"], each["adapt"]) for each in wire.sent()]
    assert asked == [(1, "append", "false"), (1, "append", "false")]
    assert page.texts(".shot-name") == ["Shot 1", "2. bb.png", "3. query.png"]
    add(page, tmp_path, "dddd.png")
    page.type("#class-name", "thing")
    page.click("#replace")
    assert page.texts("#register-hint") == ["1 shot ready."]
    page.register()
    assert page.texts(".shot-name") == ["1. dddd.png"]
    assert "not in this tab" not in page.one(".class-report").text


def test_shots_that_are_too_much_together_go_by_themselves(serve: Serve, tmp_path: Path) -> None:
    page = serve({"FSS_MAX_BODY_BYTES": "200000"})
    paths: list[Path] = []
    for name in ("a.png", "b.png"):
        noise = np.random.default_rng(len(paths)).integers(0, 255, (200, 200, 3), dtype=np.uint8)
        paths.append(tmp_path / name)
        Image.fromarray(noise).save(paths[-1])
    for path in paths:
        page.choose("#shot-files", [path])
        page.editor()
        page.press(" ")
        page.close_editor("done")
        page.type("#class-name", "thing")
        page.register()
    assert shot_count(page) == 2
    assert "more than one request carries" in page.one(".class-report").text
    session_id = page.driver.execute_script("return sessionStorage.getItem('fss.session')")
    (kept,) = httpx.get(f"{page.url}/sessions/{session_id}").json()["classes"]
    assert kept["shots"] == 2


def test_a_lost_answer_of_another_class_is_known_after_a_change(
    page: Playground, tmp_path: Path
) -> None:
    show(page, scene_file(tmp_path, "a.png")[0], "thing")
    page.choose("#query-files", [scene_file(tmp_path, "query.png", seed=6)[0]])
    page.found(1)
    add(page, tmp_path, "bb.png")
    page.type("#class-name", "other")
    wire = Wire(page)
    wire.lose(1)
    page.click("#register")
    page.until(lambda: "cannot be reached" in page.one(".trouble").text)
    page.click(".find .accept")
    page.until(lambda: page.texts(".class-name small") == ["2 shots"])
    page.register()
    assert page.texts(".class-name small") == ["2 shots", "1 shot"]
    lost, _, again = wire.sent()
    assert lost == again
