"""The editor: tools, undo, keys, and masks of the size the image is displayed at."""

from pathlib import Path

import pytest
from PIL import Image, ImageOps
from pycocotools.coco import COCO
from selenium.webdriver import ActionChains, Keys

from tests.browser.chromium import PHONE, look_like
from tests.browser.playground import Playground
from tests.browser.scenes import SIZE, outline, scene_file, show
from tests.service.pictures import iou

pytestmark = [
    pytest.mark.browser,
    # Raised by pycocotools' own code.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

# The cursor's ring hides a little of the mask.
CURSOR = 0.05


@pytest.fixture
def easel(page: Playground, tmp_path: Path) -> Playground:
    """The editor open on a picture, nothing painted."""
    path, _ = scene_file(tmp_path, "support.png")
    page.photo_size = SIZE
    page.choose("#shot-files", [path])
    page.editor()
    return page


def amount(page: Playground) -> int:
    page.settle()
    return page.painted()


def test_brush_eraser_undo_and_redo(easel: Playground) -> None:
    assert amount(easel) == 0
    easel.paint([(0.2, 0.5), (0.8, 0.5)])
    stroke = amount(easel)
    assert stroke > 1000
    easel.tool("erase")
    easel.paint([(0.5, 0.3), (0.5, 0.7)])
    rubbed = amount(easel)
    assert 0 < rubbed < stroke
    easel.tool("undo")
    assert amount(easel) == pytest.approx(stroke, rel=CURSOR)
    easel.tool("undo")
    assert amount(easel) == 0
    easel.press("y", "y")
    assert amount(easel) == pytest.approx(rubbed, rel=CURSOR)
    easel.press(Keys.ESCAPE, Keys.ESCAPE)  # the question, and no answer to it
    assert amount(easel) == pytest.approx(rubbed, rel=CURSOR)
    easel.press(Keys.ESCAPE)
    easel.answer("yes")
    assert not easel.all("dialog.editor[open]")
    assert easel.texts("#register-hint") == ["1 image still to paint."]


@pytest.mark.parametrize("way", ["done", "brush"])
def test_an_open_polygon_is_closed_by_what_comes_next(easel: Playground, way: str) -> None:
    easel.tool("polygon")
    easel.tap((0.2, 0.2), (0.8, 0.2), (0.8, 0.8))
    easel.tool("pan")
    easel.tool("polygon")
    easel.tap((0.2, 0.8))
    if way == "brush":
        easel.tool("brush")
        assert amount(easel) > 1000
        easel.click(".editor header [aria-label='Close without keeping']")
        easel.answer("no")
    easel.close_editor("done")
    assert easel.texts("#register-hint") == ["Give the class a name."]


def test_polygon_is_filled_and_an_outline_can_be(easel: Playground) -> None:
    outline(easel)
    polygon = amount(easel)
    easel.press(Keys.DELETE)
    assert amount(easel) == 0
    easel.tool("brush")
    easel.press("[", "[", "[", "[", "[", "[")
    left, top, right, bottom = 0.25, 0.25, 0.75, 0.75
    easel.paint([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)])
    line = amount(easel)
    easel.tool("fill")
    easel.tap((0.5, 0.5))
    assert line < polygon / 2 < 0.9 * polygon < amount(easel) < 1.6 * polygon


def test_inverted_is_all_the_rest(easel: Playground) -> None:
    outline(easel)
    inside = amount(easel)
    easel.press("i")
    outside = amount(easel)
    easel.press(Keys.DELETE, "i")
    assert abs(amount(easel) - inside - outside) < 0.02 * outside


def test_a_mask_without_a_mouse(easel: Playground) -> None:
    easel.press(" ")
    dot = amount(easel)
    assert dot > 0
    easel.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, " ")
    assert amount(easel) > dot
    easel.press("?")
    assert "paint at the cursor" in easel.one(".shortcuts").text
    easel.press("+")
    assert amount(easel) > dot


def chosen_tool(page: Playground) -> str | None:
    return page.one(".editor .tools [aria-pressed='true']").get_attribute("value")


def test_a_zoomed_picture_comes_along_with_the_cursor(easel: Playground) -> None:
    easel.press(*"++++++++")
    far = [*[Keys.ARROW_RIGHT] * 100, *[Keys.ARROW_DOWN] * 100]
    ActionChains(easel.driver).key_down(Keys.SHIFT).send_keys(*far).key_up(Keys.SHIFT).perform()
    easel.press(" ")
    assert amount(easel) > 1000  # in the corner, which is on the screen
    easel.press("0")
    assert amount(easel) > 100
    easel.press(Keys.ARROW_LEFT)  # the cursor is still on the picture
    easel.press(" ")
    assert amount(easel) > 100


def test_arrows_move_the_picture_with_its_tool(easel: Playground) -> None:
    easel.press("i", "h")
    whole = amount(easel)
    easel.press(*[Keys.ARROW_RIGHT] * 20)
    assert 0 < amount(easel) < 0.9 * whole
    easel.press(*[Keys.ARROW_LEFT] * 20)
    assert amount(easel) == whole


def test_a_slider_that_has_the_focus_keeps_only_its_own_keys(easel: Playground) -> None:
    size = easel.one("#brush-size")
    easel.driver.execute_script("arguments[0].focus()", size)
    before = int(str(size.get_property("value")))
    easel.press(Keys.ARROW_RIGHT)
    assert int(str(size.get_property("value"))) == before + 1
    easel.press("e")
    assert chosen_tool(easel) == "erase"
    easel.press("i")
    assert amount(easel) > 1000
    easel.press("z")
    assert amount(easel) == 0


def test_mask_fits_the_image_as_displayed(page: Playground, tmp_path: Path) -> None:
    path, scene = scene_file(tmp_path, "upright.png")
    turned = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter to the right, so it is stored turned to the left
    Image.fromarray(scene.image).transpose(Image.Transpose.ROTATE_90).save(
        turned, exif=exif, quality=95
    )
    assert ImageOps.exif_transpose(Image.open(turned)).size == SIZE
    show(page, turned, "thing")
    page.choose("#query-files", [path])
    page.found(1)
    coco = COCO(page.download("#take-coco", "annotations.json"))
    (annotation,) = coco.loadAnns(coco.getAnnIds())
    assert iou(coco.annToMask(annotation).astype(bool), scene.mask) > 0.8


def test_a_finger_paints_on_a_phone(page: Playground, tmp_path: Path) -> None:
    look_like(page.driver, PHONE)
    path, _ = scene_file(tmp_path, "support.png")
    page.photo_size = SIZE
    page.choose("#shot-files", [path])
    page.editor()
    page.paint([(0.3, 0.4), (0.7, 0.4), (0.3, 0.6), (0.7, 0.6)], pointer="touch")
    assert amount(page) > 500
    width = page.driver.execute_script("return document.documentElement.scrollWidth")
    assert width == PHONE[0]
    page.close_editor("done")
    page.type("#class-name", "thing")
    page.register()
    assert page.driver.execute_script("return document.documentElement.scrollWidth") == PHONE[0]


def test_a_picture_is_pasted_but_not_beside_an_open_editor(
    easel: Playground, tmp_path: Path
) -> None:
    path, _ = scene_file(tmp_path, "pasted.png", seed=2)
    assert not easel.paste(path)
    easel.press(Keys.ESCAPE)
    assert not easel.paste(path, "#class-name", words="duck")
    assert easel.paste(path, "#class-name")
    easel.editor()
    assert len(easel.all(".shot")) == 2


def test_a_second_click_does_not_open_the_editor_twice(easel: Playground) -> None:
    easel.press(Keys.ESCAPE)
    easel.driver.execute_script(
        "const picture = document.querySelector('.shot .picture'); picture.click(); picture.click()"
    )
    easel.editor()
    easel.press(Keys.ESCAPE)
    easel.click(".shot .picture")
    easel.editor()
    easel.paint([(0.2, 0.5), (0.8, 0.5)])
    assert amount(easel) > 1000
    easel.tool("undo")
    assert amount(easel) == 0


@pytest.mark.parametrize(("choice", "fitted"), [("always", True), ("never", False)])
def test_whether_a_class_is_fitted_is_a_choice(
    page: Playground, tmp_path: Path, choice: str, fitted: bool
) -> None:
    path, _ = scene_file(tmp_path, "support.png")
    page.photo_size = SIZE
    page.choose("#shot-files", [path])
    page.editor()
    page.paint([(0.3, 0.5), (0.6, 0.5)])
    page.close_editor("done")
    page.type("#class-name", "spot")
    page.click(".options summary")
    page.choose_option("#adapt", choice)
    page.register()
    (words,) = page.texts("#class-list small")
    assert ("fitted" in words) == fitted
