"""Steps 2 and 3: thresholds, shots made of answers, corrections, and files to take away."""

import io
import json
import re
import time
import zipfile
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from selenium.webdriver import Keys
from selenium.webdriver.common.by import By
from shapely.geometry import shape

from tests.browser.chromium import DESKTOP, look_like
from tests.browser.playground import Playground
from tests.browser.scenes import scene_file, show
from tests.browser.wire import Wire
from tests.service.pictures import BLUE, Picture, iou

pytestmark = [
    pytest.mark.browser,
    # Raised by pycocotools' own code.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


@pytest.fixture
def finding(page: Playground, tmp_path: Path) -> tuple[Playground, Picture]:
    """A class is registered and found in one image."""
    support, _ = scene_file(tmp_path, "support.png")
    path, scene = scene_file(tmp_path, "query.png", seed=3, box=(20, 60, 70, 80))
    show(page, support, "thing")
    page.choose("#query-files", [path])
    page.found(1)
    return page, scene


def area(page: Playground) -> int:
    coco = COCO(page.download("#take-coco", "annotations.json"))
    return sum(int(each["area"]) for each in coco.loadAnns(coco.getAnnIds()))


def test_threshold_is_asked_for_and_given_back(finding: tuple[Playground, Picture]) -> None:
    page, _ = finding
    usual = area(page)
    page.slide("#threshold", 0.98)
    page.until(lambda: area(page) < usual)
    page.click("#threshold-reset")
    page.until(lambda: area(page) == usual)


def test_a_good_answer_becomes_a_shot(finding: tuple[Playground, Picture]) -> None:
    page, _ = finding
    clicks = page.clicks
    page.click(".find .accept")
    page.until(lambda: page.texts(".class-name small") == ["2 shots"])
    assert page.clicks == clicks + 1
    page.found(1)


def test_an_answer_becomes_a_shot_once(finding: tuple[Playground, Picture]) -> None:
    page, _ = finding
    wire = Wire(page)
    wire.hold()
    page.click(".find .accept")
    wire.held()
    assert not page.one(".find .accept").is_enabled()
    page.driver.execute_script("document.querySelector('.find .accept').click()")
    wire.let_go()
    page.until(lambda: page.texts(".class-name small") == ["2 shots"])
    page.until(lambda: page.one(".find .accept").is_enabled())
    assert len(wire.sent()) == 1


def test_a_shot_whose_answer_was_lost_is_added_once(finding: tuple[Playground, Picture]) -> None:
    page, _ = finding
    wire = Wire(page)
    wire.lose(1)
    page.click(".find .accept")
    page.until(lambda: "cannot be reached" in page.one(".trouble").text)
    page.click(".find .accept")
    page.until(lambda: page.texts(".class-name small") == ["2 shots"])
    page.found(1)
    page.click(".find .accept")
    page.until(lambda: page.texts(".class-name small") == ["3 shots"])
    lost, again, another = (each["key"] for each in wire.sent())
    assert lost == again != another


def test_a_correction_is_kept_taken_away_and_taken_back(
    finding: tuple[Playground, Picture],
) -> None:
    page, _ = finding
    found = area(page)
    page.click(".find .edit")
    page.editor()
    page.press(Keys.DELETE)
    page.tap((0.2, 0.2))
    page.close_editor("shot")
    page.until(lambda: page.texts(".class-name small") == ["2 shots"])
    assert page.texts(".find-score") == ["by hand"]
    assert 0 < area(page) < found / 4
    page.click(".find .reset")
    page.found(1)
    assert page.texts(".find-score") != ["by hand"]


def test_files_agree_with_one_another(finding: tuple[Playground, Picture], tmp_path: Path) -> None:
    page, scene = finding
    blue, _ = scene_file(tmp_path, "blue.png", colour=BLUE)
    show(page, blue, "other")
    page.found(1)
    expected = scene.mask
    with zipfile.ZipFile(page.download("#take-labels", "label_maps.zip")) as archive:
        assert archive.testzip() is None
        assert archive.read("classes.txt").decode() == "0 background\n1 thing\n2 other\n"
        label_map = Image.open(io.BytesIO(archive.read("query.png")))
        assert label_map.mode == "P"
        labels = np.asarray(label_map)
    assert iou(labels == 1, expected) > 0.8
    with zipfile.ZipFile(page.download("#take-masks", "masks.zip")) as archive:
        mask = np.asarray(Image.open(io.BytesIO(archive.read("query.1-thing.png"))))
    assert set(np.unique(mask)) == {0, 255}
    assert ((mask == 255) == (labels == 1)).all()
    coco = COCO(page.download("#take-coco", "annotations.json"))
    (annotation,) = coco.loadAnns(coco.getAnnIds(catIds=[1]))
    assert (coco.annToMask(annotation).astype(bool) == (labels == 1)).all()
    collection = json.loads(page.download("#take-geojson", "polygons.geojson").read_text())
    (feature,) = [f for f in collection["features"] if f["properties"]["class"] == "thing"]
    polygons = shape(feature["geometry"])
    assert polygons.is_valid
    assert polygons.area == (labels == 1).sum()


def test_outlines_have_holes_islands_and_touching_corners(page: Playground) -> None:
    rows = ["1111100", "1000110", "1010101", "1000100", "1111111"]
    bits = [int(bit) for row in rows for bit in row]
    version = page.one("script[type=module]").get_attribute("src")
    assert version is not None
    polygons = page.driver.execute_async_script(
        "const [from, bits, done] = arguments;"
        "import(from).then(({outlines}) => done(outlines(Uint8Array.from(bits), 7, 5)))",
        version.replace("main.js", "outlines.js"),
        bits,
    )
    whole = shape({"type": "MultiPolygon", "coordinates": polygons})
    assert whole.area == sum(bits)
    assert sorted(len(polygon) for polygon in polygons) == [1, 1, 2]


def test_session_survives_a_reload_and_moves_as_a_file(
    finding: tuple[Playground, Picture],
) -> None:
    page, _ = finding
    scores = page.texts(".class-shot .number")
    assert re.fullmatch(r"\d+ %", scores[0])
    page.click("#menu-button")
    archive = page.download("#save-session", "session.fss")
    page.reload()
    assert page.texts(".class-name strong") == ["thing"]
    page.until(lambda: page.texts(".class-shot .number") == scores)
    page.click("#menu-button")
    page.click("#new-session")
    page.answer("yes")
    page.until(lambda: not page.texts(".class-name strong"))
    page.choose("#session-file", [archive])
    page.until(lambda: page.texts(".class-name strong") == ["thing"])
    page.until(lambda: page.texts(".class-shot .number") == scores)
    page.choose("#session-file", [archive])
    page.answer("no")
    assert page.texts(".class-name strong") == ["thing"]
    assert page.complaints() == []


def test_class_is_hidden_and_deleted(finding: tuple[Playground, Picture]) -> None:
    page, _ = finding
    ink = (
        "const c = document.querySelector('.card .layer');"
        "return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v)"
    )
    assert page.driver.execute_script(ink)
    page.click(".class-tools button[aria-label^='Show or hide']")
    page.until(lambda: not page.driver.execute_script(ink))
    page.click(".class-tools button[aria-label^='Delete']")
    page.answer("no")
    assert page.texts(".class-name strong") == ["thing"]
    page.click(".class-tools button[aria-label^='Delete']")
    page.answer("yes")
    page.until(lambda: not page.all("#class-list li"))
    assert "waiting for a class" in page.one("#find-status").text


def luminance(colour: str) -> float:
    """Of `rgb(r, g, b)`, as WCAG 2 has it."""
    shares = [int(value) / 255 for value in re.findall(r"\d+", colour)[:3]]
    linear = [
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in shares
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_names_of_what_is_hidden_can_be_read(
    finding: tuple[Playground, Picture], theme: Literal["light", "dark"]
) -> None:
    page, _ = finding
    look_like(page.driver, DESKTOP, theme)
    page.click(".class-tools button[aria-label^='Show or hide']")
    for name in (page.one(".class.off strong"), page.one(".find.off .find-name")):
        assert name.value_of_css_property("opacity") == "1"
        assert name.find_element(By.XPATH, "..").value_of_css_property("opacity") == "1"
        ink = luminance(name.value_of_css_property("color"))
        paper = luminance(page.one("#step-2").value_of_css_property("background-color"))
        assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) > 4.5


def test_nothing_is_said_or_taken_before_the_answer(
    finding: tuple[Playground, Picture], tmp_path: Path
) -> None:
    page, _ = finding
    wire = Wire(page, "/segment")
    wire.hold()
    blue, _ = scene_file(tmp_path, "blue.png", colour=BLUE)
    show(page, blue, "other")
    wire.held()
    scores = page.texts(".find-score")
    assert scores[0].startswith("score")
    assert scores[1] == "…"
    assert not page.one("#take-coco").is_enabled()
    assert page.texts("#take-status") == ["1 image still to be answered."]
    wire.let_go()
    page.found(1)
    assert page.texts(".find-score")[1] == "not here"
    assert page.one("#take-coco").is_enabled()
    assert page.texts("#take-status") == ["1 mask on 1 image"]
    wire = Wire(page, "/segment")
    wire.lose(1)
    page.click("#keep-absent")
    page.until(lambda: page.texts("#take-status") == ["1 image without an answer."])
    assert page.texts(".find-score")[1] == "not known"
    assert not page.one("#take-coco").is_enabled()


def test_files_hold_no_image_without_an_answer(
    finding: tuple[Playground, Picture], tmp_path: Path
) -> None:
    page, _ = finding
    refused = tmp_path / "moving.gif"
    Image.new("RGB", (40, 30)).save(refused)
    page.choose("#query-files", [refused])
    page.until(lambda: "image type" in page.texts(".card-problem")[1])
    told = "1 mask on 1 image; 1 image without an answer left out"
    page.until(lambda: page.texts("#take-status") == [told])
    with zipfile.ZipFile(page.download("#take-labels", "label_maps.zip")) as archive:
        assert archive.namelist() == ["query.png", "classes.txt"]
    coco = COCO(page.download("#take-coco", "annotations.json"))
    assert [each["file_name"] for each in coco.loadImgs(coco.getImgIds())] == ["query.png"]
    page.driver.execute_script("document.querySelectorAll('.card .picture')[1].click()")
    page.editor()
    page.press(" ")
    page.close_editor("keep")
    page.until(lambda: page.texts("#take-status") == ["2 masks on 2 images"])


def test_a_mask_that_is_erased_says_that_there_is_none(
    finding: tuple[Playground, Picture],
) -> None:
    page, _ = finding
    page.click(".find .edit")
    page.editor()
    page.press(Keys.DELETE)
    page.close_editor("shot")
    page.until(lambda: "Nothing is painted" in page.one(".trouble").text)
    assert page.texts(".find-score") == ["not here (by hand)"]
    assert not page.one(".find .accept").is_displayed()
    assert page.texts("#take-status") == ["Masks will be here once something is found."]
    assert page.texts(".class-name small") == ["1 shot"]
    page.click(".find .reset")
    page.until(lambda: page.texts("#take-status") == ["1 mask on 1 image"])


def test_a_correction_ends_with_its_class_and_its_session(
    finding: tuple[Playground, Picture], tmp_path: Path
) -> None:
    page, _ = finding
    blue, _ = scene_file(tmp_path, "blue.png", colour=BLUE)

    def correct() -> None:
        page.click(".find .edit")
        page.editor()
        page.press("i")
        page.close_editor("keep")
        page.until(lambda: page.texts(".find-score") == ["by hand"])

    correct()
    page.click(".class-tools button[aria-label^='Delete']")
    page.answer("yes")
    page.until(lambda: not page.all("#class-list li"))
    show(page, blue, "thing")
    page.found(1)
    assert page.texts(".find-score") == ["not here"]
    correct()
    page.click("#menu-button")
    page.click("#new-session")
    page.answer("yes")
    show(page, blue, "thing")
    page.found(1)
    assert page.texts(".find-score") == ["not here"]


TOO_SLOW = """
const send = window.fetch.bind(window);
window.modes = [];
const late = {title: 'The deadline has passed', detail: 'Too late.', code: 'deadline_exceeded'};
window.fetch = async (url, options) => {
  if (!String(url).endsWith('/segment')) return send(url, options);
  const mode = options.body.get('mode');
  window.modes.push(mode);
  return mode ? send(url, options) : new Response(JSON.stringify(late), {status: 504});
};
"""


def test_an_image_that_takes_too_long_is_looked_at_as_a_whole(
    finding: tuple[Playground, Picture],
) -> None:
    page, _ = finding
    assert not page.one(".card-note").is_displayed()
    page.driver.execute_script(TOO_SLOW)
    page.click("#keep-absent")
    page.until(lambda: "Too late." in page.one(".card-problem").text)
    again, whole = page.all(".card-problem button")
    assert again.text == "Try again"
    whole.click()
    page.found(1)
    assert not page.texts(".card-problem p")
    assert "small objects may be missed" in page.one(".card-note").text
    assert page.driver.execute_script("return window.modes") == [None, "whole"]


def test_files_of_images_of_one_name_have_names_of_their_own(
    finding: tuple[Playground, Picture], tmp_path: Path
) -> None:
    page, _ = finding
    names = ["query.jpg", "query_2.png", "QUERY.bmp", "query_1.png"]
    page.choose("#query-files", [scene_file(tmp_path, name, seed=3)[0] for name in names])
    page.found(5)
    with zipfile.ZipFile(page.download("#take-labels", "label_maps.zip")) as archive:
        assert archive.namelist() == [
            *("query.png", "query_2.png", "query_2_2.png", "QUERY_3.png", "query_1.png"),
            "classes.txt",
        ]
    with zipfile.ZipFile(page.download("#take-masks", "masks.zip")) as archive:
        assert len({name.lower() for name in archive.namelist()}) == 5


COUNT = """
window.drawn = 0;
const put = CanvasRenderingContext2D.prototype.putImageData;
CanvasRenderingContext2D.prototype.putImageData = function (...what) {
  window.drawn++;
  return put.apply(this, what);
};
"""


def drawn(page: Playground) -> int:
    """How many pictures have had masks drawn on them since `COUNT`, or since this was asked."""
    return int(page.driver.execute_script("const {drawn} = window; window.drawn = 0; return drawn"))


def nothing_is_drawn(page: Playground) -> bool:
    """Whether no more is, of what waits until there is time."""
    time.sleep(0.5)
    return drawn(page) == 0


def test_only_what_has_changed_is_drawn_and_what_is_seen_first(
    finding: tuple[Playground, Picture], tmp_path: Path
) -> None:
    page, _ = finding
    page.choose("#query-files", [scene_file(tmp_path, f"{i}.png", seed=i)[0] for i in range(20)])
    page.found(21)
    page.driver.execute_script(COUNT)
    page.until(lambda: nothing_is_drawn(page))
    page.click("#keep-absent")
    page.found(21)
    assert nothing_is_drawn(page)
    page.choose("#query-files", [scene_file(tmp_path, "more.png", seed=30)[0]])
    page.found(22)
    page.until(lambda: page.driver.execute_script("return window.drawn"))
    assert drawn(page) <= 2  # as the picture comes, and as its masks come
    at_once = page.driver.execute_script(
        "scrollTo(0, 0);"
        "document.querySelector(\".class-tools button[aria-label^='Show or hide']\").click();"
        "return window.drawn"
    )
    assert at_once < 10
    page.until(lambda: page.driver.execute_script("return window.drawn") == 22)


def test_typing_draws_no_mask(finding: tuple[Playground, Picture], tmp_path: Path) -> None:
    page, _ = finding
    page.choose("#shot-files", [scene_file(tmp_path, "next.png")[0]])
    page.editor()
    page.press("i")
    page.close_editor("done")
    page.settle()
    page.driver.execute_script(COUNT)
    page.type("#class-name", "thi")
    assert drawn(page) == 0
    page.type("#class-name", "ng")  # another colour
    assert drawn(page) == 1


SHRUNK = """
const [from, done] = arguments;
const sizes = [
  [37, 23, 37, 23], [37, 23, 12, 7], [23, 37, 5, 36], [64, 3, 21, 1], [1, 9, 1, 4],
];
let seed = 1;
const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
import(from).then(({paintRle, encodeRle}) => {
  const wrong = [];
  for (const [width, height, columns, rows] of sizes) for (const share of [0, 0.1, 0.5, 0.97, 1]) {
    const bits = Uint8Array.from({length: width * height}, () => Number(random() < share));
    const small = new Uint8Array(columns * rows);
    paintRle(small, columns, rows, encodeRle(bits, width, height), 7);
    small.forEach((pixel, place) => {
      const y = Math.floor((Math.floor(place / columns) + 0.5) * height / rows);
      const x = Math.floor((place % columns + 0.5) * width / columns);
      if (pixel !== 7 * bits[y * width + x]) wrong.push([width, rows, share, place]);
    });
  }
  done(wrong);
});
"""


def test_small_masks_are_those_of_the_large_ones(page: Playground) -> None:
    module = page.one("script[type=module]").get_attribute("src")
    assert module is not None
    rle = module.replace("main.js", "rle.js")
    assert page.driver.execute_async_script(SHRUNK, rle) == []
