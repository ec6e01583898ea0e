"""Step 1 while an answer is under way: nothing is lost, sent twice or brought back."""

import re
from pathlib import Path

import pytest

from tests.browser.playground import Playground
from tests.browser.scenes import SIZE, outline, scene_file, show
from tests.browser.wire import Wire

pytestmark = pytest.mark.browser


def add(page: Playground, path: Path) -> None:
    """An image with its mask, not registered yet."""
    page.photo_size = SIZE
    page.choose("#shot-files", [path])
    page.editor()
    outline(page)
    page.close_editor("done")


@pytest.fixture
def pending(page: Playground, tmp_path: Path) -> tuple[Playground, Wire]:
    """A class is there, and the answer for another one is being waited for."""
    path, _ = scene_file(tmp_path, "support.png")
    show(page, path, "thing")
    add(page, path)
    page.type("#class-name", "other")
    wire = Wire(page)
    wire.hold()
    page.click("#register")
    wire.held()
    return page, wire


def class_names(page: Playground) -> list[str]:
    return page.texts(".class-name strong")


def test_what_is_added_and_typed_meanwhile_stays(
    pending: tuple[Playground, Wire], tmp_path: Path
) -> None:
    page, wire = pending
    path, _ = scene_file(tmp_path, "next.png", seed=5)
    add(page, path)
    page.one("#class-name").clear()
    page.type("#class-name", "third")
    wire.let_go()
    page.until(lambda: class_names(page) == ["thing", "other"])
    page.until(lambda: page.one("#register").text == "Register third")
    assert [each.get_attribute("title") for each in page.all(".shot .picture")] == [
        "Paint the mask of next.png"
    ]
    assert page.texts("#register-hint") == ["1 shot ready."]
    page.register()
    assert class_names(page) == ["thing", "other", "third"]
    assert page.texts("#class-list small") == ["1 shot"] * 3
    assert not page.all(".shot")


def test_a_mask_that_is_painted_anew_meanwhile_stays(pending: tuple[Playground, Wire]) -> None:
    page, wire = pending
    page.click(".shot .picture")
    page.editor()
    wire.let_go()
    page.until(lambda: class_names(page) == ["thing", "other"])
    page.press("i")
    page.close_editor("done")
    assert page.texts("#register-hint") == ["Give the class a name."]
    assert len(page.all(".shot")) == 1


def test_a_late_answer_does_not_bring_a_session_back(pending: tuple[Playground, Wire]) -> None:
    page, wire = pending
    page.click("#menu-button")
    page.click("#new-session")
    page.answer("no")
    assert class_names(page) == ["thing"]
    page.click("#menu-button")
    page.click("#new-session")
    page.answer("yes")
    page.until(lambda: not class_names(page))
    wire.let_go()
    page.until(lambda: page.one("#register").text == "Register other")
    assert class_names(page) == []
    assert page.driver.execute_script("return sessionStorage.getItem('fss.session')") is None
    assert page.texts("#register-hint") == ["1 shot ready."]
    page.register()
    assert class_names(page) == ["other"]
    assert page.texts("#class-list small") == ["1 shot"]


def test_what_went_before_a_failure_is_shown_and_not_sent_again(
    page: Playground, tmp_path: Path
) -> None:
    first, _ = scene_file(tmp_path, "support.png")
    show(page, first, "thing")
    page.choose("#shot-files", [scene_file(tmp_path, f"{i}.png", seed=i)[0] for i in range(17)])
    for _ in range(17):
        page.editor()
        page.press(" ")
        page.close_editor("done")
    page.type("#class-name", "thing")
    page.click("#replace")
    wire = Wire(page)
    wire.lose(2)
    page.click("#register")
    page.until(lambda: "cannot be reached" in page.one(".trouble").text)
    assert page.texts("#class-list small") == ["16 shots"]
    assert page.texts("#register-hint") == [
        "1 shot ready. It is not fitted to all shots: all its shots together are more than one "
        "request carries."
    ]
    page.click("#register")
    page.until(lambda: page.texts("#class-list small") == ["17 shots"])
    whole, rest, again = wire.sent()
    assert (whole["images"], whole["mode"]) == (16, "replace")
    assert (rest["images"], rest["mode"]) == (1, "append")
    assert (whole["adapt"], rest["adapt"]) == ("auto", "false")
    assert rest == again
    assert whole["key"] != rest["key"]
    assert all(re.fullmatch(r"[\w-]{32}", each["key"], re.ASCII) for each in (whole, rest))


def test_a_shot_that_is_added_after_a_lost_answer_goes_after_it(
    page: Playground, tmp_path: Path
) -> None:
    add(page, scene_file(tmp_path, "first.png")[0])
    page.type("#class-name", "thing")
    wire = Wire(page)
    wire.lose(1)
    page.click("#register")
    page.until(lambda: "cannot be reached" in page.one(".trouble").text)
    add(page, scene_file(tmp_path, "second.png", seed=5)[0])
    page.click("#register")
    page.until(lambda: page.texts("#class-list small") == ["2 shots"])
    lost, again, added = wire.sent()
    assert lost == again
    assert (added["images"], added["mode"], added["adapt"]) == (2, "replace", "auto")
    assert added["key"] != lost["key"]


def test_samples_take_the_place_of_own_shots_only_if_asked_to(
    page: Playground, tmp_path: Path
) -> None:
    page.click(".intro .try-sample")
    page.until(lambda: len(page.all(".shot")) == 3)
    page.click(".intro .try-sample")
    page.until(lambda: len(page.all(".card")) == 10)
    assert len(page.all(".shot")) == 3
    add(page, scene_file(tmp_path, "own.png")[0])
    page.click(".intro .try-sample")
    page.answer("no")
    assert len(page.all(".shot")) == 4
    assert len(page.all(".card")) == 10
    page.click(".intro .try-sample")
    page.answer("yes")
    page.until(lambda: len(page.all(".shot")) == 3)


def test_the_name_can_be_typed_after_each_image(page: Playground, tmp_path: Path) -> None:
    path, _ = scene_file(tmp_path, "pasted.png")
    page.photo_size = SIZE
    for typed in ("a", "b"):
        page.one("#class-name").clear()
        page.click("#class-name")
        assert page.paste(path)
        page.editor()
        outline(page)
        page.close_editor("done")
        page.settle()
        page.press(typed)
        assert page.one("#class-name").get_attribute("value") == typed


def test_replacing_is_meant_for_one_class(page: Playground, tmp_path: Path) -> None:
    path, _ = scene_file(tmp_path, "support.png")
    show(page, path, "first")
    show(page, path, "second")
    page.type("#class-name", "first")
    page.click("#replace")
    # The dialog of the system would stay.
    page.driver.execute_script("document.getElementById('shot-files').click = () => {}")
    page.click("[aria-label='Add shots: second']")
    assert page.one("#register").text == "Add to second"
    assert not page.one("#replace").is_selected()
