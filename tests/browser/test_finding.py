"""Steps 2 and 3: thresholds, shots made of answers, corrections, and files to take away."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from selenium.webdriver import Keys
from shapely.geometry import shape

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
    report = page.texts(".class-report")
    assert "Shot 0" in report[0]
    page.click("#menu-button")
    archive = page.download("#save-session", "session.fss")
    page.reload()
    assert page.texts(".class-name strong") == ["thing"]
    page.until(lambda: page.texts(".class-report") == report)
    page.click("#menu-button")
    page.click("#new-session")
    page.until(lambda: not page.texts(".class-name strong"))
    page.choose("#session-file", [archive])
    page.until(lambda: page.texts(".class-name strong") == ["thing"])
    page.until(lambda: page.texts(".class-report") == report)
    assert page.complaints() == []


def test_class_is_hidden_and_deleted(finding: tuple[Playground, Picture]) -> None:
    page, _ = finding
    ink = (
        "const c = document.querySelector('.card .layer');"
        "return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v)"
    )
    assert page.driver.execute_script(ink)
    page.click(".class-tools button[aria-label^='Show or hide']")
    assert not page.driver.execute_script(ink)
    page.click(".class-tools button[aria-label^='Delete']")
    page.until(lambda: not page.all("#class-list li"))
    assert "waiting for a class" in page.one("#find-status").text
