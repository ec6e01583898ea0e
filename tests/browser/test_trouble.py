"""What goes wrong is said in words, and names from outside stay names."""

from pathlib import Path

import pytest
from PIL import Image
from selenium.webdriver import Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.expected_conditions import alert_is_present

from service.access import key_line, new_key
from tests.browser.conftest import Serve
from tests.browser.playground import Playground
from tests.browser.scenes import SIZE, scene_file, show
from tests.browser.wire import go_offline

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)>"


def test_hostile_names_are_text(page: Playground, tmp_path: Path) -> None:
    support, _ = scene_file(tmp_path, "support.png")
    query, _ = scene_file(tmp_path, f"{HOSTILE}.png", seed=4)
    show(page, support, HOSTILE)
    page.choose("#query-files", [query])
    page.found(1)
    assert page.texts(".class-name strong") == [HOSTILE]
    assert page.texts(".find-name") == [HOSTILE]
    assert page.texts(".card .file") == [f"{HOSTILE}.png"]
    assert not page.all("img[onerror]")
    assert not alert_is_present()(page.driver)
    assert page.texts(".shot-name") == ["1. support.png"]
    page.click(".class-tools button[aria-label^='Delete']")
    assert HOSTILE in page.one("dialog.question").text
    page.answer("yes")
    page.until(lambda: not page.all("#class-list li"))
    assert page.complaints() == []


def test_markup_from_text_is_refused_by_the_policy(page: Playground) -> None:
    refused = page.driver.execute_script(
        "try { document.body.innerHTML = '<b>x</b>'; return false } catch { return true }"
    )
    assert refused


def test_key_is_asked_for_and_kept_in_the_tab(serve: Serve, tmp_path: Path) -> None:
    key = new_key()
    keys = tmp_path / "keys"
    keys.write_text(key_line("lab", key) + "\n")
    support, _ = scene_file(tmp_path, "support.png")
    page = serve({"FSS_API_KEYS_FILE": str(keys)}, signed_in=False)
    page.one("#key-dialog[open]")
    for impossible in (f"{key}\u200b", "schl\u00fcssel", "a key"):
        page.type("#key-field", impossible)
        page.click("#key-form button[value='use']")
        assert "That is no key" in page.one("#key-refused").text
        page.one("#key-field").clear()
    page.type("#key-field", new_key())
    page.click("#key-form button[value='use']")
    page.until(lambda: "does not know" in page.one("#key-refused").text)
    page.type("#key-field", key)
    page.click("#key-form button[value='use']")
    page.one("html[data-ready]")
    show(page, support, "thing")
    assert page.driver.execute_script("return Object.values(sessionStorage)").count(key) == 1
    assert page.driver.execute_script("return localStorage.length + document.cookie.length") == 0


def test_enter_uses_the_key_and_cancel_does_not(serve: Serve, tmp_path: Path) -> None:
    key = new_key()
    keys = tmp_path / "keys"
    keys.write_text(key_line("lab", key) + "\n")
    page = serve({"FSS_API_KEYS_FILE": str(keys)}, signed_in=False)
    page.one("#key-dialog[open]")
    page.type("#key-field", key)
    page.click("#key-form button[type='button']")
    page.one(".trouble")
    assert not page.all("#key-dialog[open]")
    page.open(signed_in=False)
    page.one("#key-dialog[open]")
    page.type("#key-field", new_key() + Keys.ENTER)
    page.until(lambda: page.one("#key-refused").is_displayed())
    page.type("#key-field", key + Keys.ENTER)
    page.ready()


def test_busy_service_is_asked_again(serve: Serve, tmp_path: Path) -> None:
    page = serve({"FSS_MAX_REQUESTS": "1"}, command=("tests.service.slow_service", "0.4"))
    support, _ = scene_file(tmp_path, "support.png")
    queries = [scene_file(tmp_path, f"query_{i}.png", seed=i)[0] for i in range(2)]
    show(page, support, "thing")
    page.choose("#query-files", queries)
    page.until(lambda: "The service is busy; asking again in 1 s." in page.texts(".notice p"))
    page.found(2)
    assert len(page.texts(".find-name")) == 2


def test_service_that_is_gone_and_a_file_that_is_no_image(serve: Serve, tmp_path: Path) -> None:
    page = serve({})
    support, _ = scene_file(tmp_path, "support.png")
    text = tmp_path / "notes.png"
    text.write_text("no image")
    page.choose("#query-files", [text])
    page.until(lambda: "notes.png cannot be shown" in page.one(".trouble").text)
    show(page, support, "thing")
    go_offline(page, True)
    page.choose("#query-files", [support])
    page.until(lambda: "cannot be reached" in page.one(".card-problem").text)
    go_offline(page, False)
    page.click(".card-problem button")
    page.until(lambda: page.texts(".find-name") == ["thing"])


def test_after_a_lost_connection_one_click_asks_for_all_images(
    page: Playground, tmp_path: Path
) -> None:
    show(page, scene_file(tmp_path, "support.png")[0], "thing")
    page.choose("#query-files", [scene_file(tmp_path, f"{i}.png", seed=i)[0] for i in range(3)])
    page.found(3)
    refused = tmp_path / "moving.gif"
    Image.new("RGB", (40, 30)).save(refused)
    page.choose("#query-files", [refused])
    page.until(lambda: len(page.all(".card-problem button")) == 1)
    assert not page.one("#retry-all").is_displayed()
    go_offline(page, True)
    page.slide("#threshold", 0.55)
    page.until(lambda: page.one("#retry-all").text == "Try 4 images again")
    go_offline(page, False)
    page.click("#retry-all")
    page.until(lambda: len(page.all(".card-problem button")) == 1)
    page.found(4)
    assert "image type" in page.texts(".card-problem")[3]
    assert not page.one("#retry-all").is_displayed()


def test_names_are_suggested(page: Playground, tmp_path: Path) -> None:
    support, _ = scene_file(tmp_path, "IMG_spanner_01.png")
    page.photo_size = SIZE
    page.choose("#shot-files", [support])
    page.editor()
    page.close_editor("done")
    options = page.all("#known-names option")
    assert [option.get_attribute("value") for option in options] == ["spanner"]


def test_refusal_is_told_in_the_services_words(page: Playground, tmp_path: Path) -> None:
    support, _ = scene_file(tmp_path, "support.png")
    page.photo_size = SIZE
    page.choose("#shot-files", [support])
    page.editor()
    page.press("i")
    page.close_editor("done")
    page.type("#class-name", "all")
    page.click("#register")
    trouble = page.until(lambda: page.driver.find_element(By.CSS_SELECTOR, ".trouble"))
    assert "The mask covers the whole image" in trouble.text
    assert page.all(".shot")
