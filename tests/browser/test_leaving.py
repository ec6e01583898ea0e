"""Closing or reloading the tab: the browser is to ask only where something would be lost."""

from pathlib import Path

import httpx
import pytest

from tests.browser.playground import Playground
from tests.browser.scenes import SIZE, outline, scene_file, show
from tests.browser.wire import Wire

pytestmark = pytest.mark.browser


def asks(page: Playground) -> bool:
    """Whether the browser would; its own question is answered by the driver, unseen."""
    return bool(
        page.driver.execute_script(
            "return !dispatchEvent(new Event('beforeunload', {cancelable: true}))"
        )
    )


def test_painted_shots_are_asked_about_until_they_are_registered(
    page: Playground, tmp_path: Path
) -> None:
    path, _ = scene_file(tmp_path, "support.png")
    page.click(".intro .try-sample")
    page.until(lambda: len(page.all(".shot")) == 3)
    assert not asks(page)
    page.photo_size = SIZE
    page.choose("#shot-files", [path])
    page.editor()
    assert not asks(page)
    outline(page)
    assert asks(page)
    page.click(".editor header [aria-label='Close without keeping']")
    page.answer("yes")
    assert not asks(page)
    page.click(".shot:last-child .picture")
    page.editor()
    outline(page)
    page.close_editor("done")
    assert asks(page)
    page.register()
    assert not asks(page)


def test_corrections_are_asked_about_until_they_are_in_a_file(
    page: Playground, tmp_path: Path
) -> None:
    path, _ = scene_file(tmp_path, "support.png")
    show(page, path, "thing")
    page.choose("#query-files", [path])
    page.found(1)
    assert not asks(page)
    for _ in range(2):
        page.click(".find .edit")
        page.editor()
        page.press("i")
        page.close_editor("keep")
        page.until(lambda: page.texts(".find-score") == ["by hand"])
        assert asks(page)
        page.download("#take-masks", "masks.zip")
        page.until(lambda: not asks(page))


def test_corrected_shots_are_asked_about_until_they_are_registered(
    page: Playground, tmp_path: Path
) -> None:
    show(page, scene_file(tmp_path, "support.png")[0], "thing")
    wire = Wire(page)
    wire.lose(1)
    page.click("[aria-label='Edit shot 1: thing']")
    page.editor()
    page.tool("erase")
    page.tap((0.5, 0.5))
    page.close_editor("register")
    page.until(lambda: "cannot be reached" in page.one(".trouble").text)
    assert asks(page)
    page.click("[aria-label='Edit shot 1: thing']")
    page.editor()
    page.close_editor("register")
    page.until(lambda: not asks(page))


def test_shots_of_a_session_that_has_ended_are_asked_about(
    page: Playground, tmp_path: Path
) -> None:
    path, _ = scene_file(tmp_path, "support.png")
    show(page, path, "thing")
    session_id = page.driver.execute_script("return sessionStorage.getItem('fss.session')")
    assert httpx.delete(f"{page.url}/sessions/{session_id}").status_code == 204
    page.choose("#query-files", [path])
    page.until(lambda: page.one("#ended").is_displayed())
    assert asks(page)
    page.click("#revive")
    page.until(lambda: not asks(page))
