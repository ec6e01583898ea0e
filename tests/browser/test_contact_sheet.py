"""The contact sheet in a browser: from the disk, with nothing beside it, whatever names say."""

from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from service.imaging import encode_rle
from service.offline import Entry, ImageFile, Ledger, write_sheet
from service.offline.card import draw_card
from service.offline.ledger import Labelled
from service.schemas import ClassResult, ImageResult
from service.sessions import PixelBudget
from tests.browser.chromium import DESKTOP, look_like
from tests.service.pictures import Picture, picture

pytestmark = [
    pytest.mark.browser,
    # pycocotools is older than NumPy 2.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

EVIL = "</script><img src=x onerror=document.title='evil'>"
CLASSES = ["duck", EVIL]


def result(shot: Picture, presence: tuple[float, float]) -> ImageResult:
    """The truth as an answer for both classes, the second of which has no pixel."""
    height, width = shot.mask.shape
    masks = (shot.mask, shot.mask & False)
    classes = [
        ClassResult(
            class_name=name,
            present=chance >= 0.5,
            presence=chance,
            score=0.95 if mask.any() else 0.0,
            area=int(mask.sum()),
            bbox=None,
            mask=encode_rle(mask),
        )
        for name, mask, chance in zip(CLASSES, masks, presence, strict=True)
    ]
    return ImageResult(height=height, width=width, classes=classes)


def sheet(
    folder: Path, presences: list[tuple[float, float]], broken: str, max_cards: int = 100
) -> Path:
    """A sheet of an image for each pair of presences, and one that could not be labelled."""
    shot = picture()
    images = [ImageFile(f"{i:04}.png", folder, 0, 0) for i in range(len(presences))]
    images.append(ImageFile(broken, folder, 0, 0))
    card = draw_card(
        shot.image_png, result(shot, (1, 0)), max_pixels=10**6, pixel_budget=PixelBudget(10**6)
    )
    with Ledger(folder / "ledger.jsonl", {}) as ledger:
        for image, presence in zip(images, presences, strict=False):
            found = result(shot, presence)
            labelled = Labelled(result=found, card=card)
            ledger.add(Entry(name=image.name, size=0, mtime_ns=0, labelled=labelled))
        ledger.add(Entry(name=broken, size=0, mtime_ns=0, error="it is <b>broken</b>"))
        path = folder / "sheet.html"
        write_sheet(
            path, ledger, images, CLASSES, title=EVIL, presence_threshold=0.5, max_cards=max_cards
        )
    return path


def names(driver: Chrome) -> list[str]:
    return [each.text for each in driver.find_elements(By.CSS_SELECTOR, "figure .name")]


def test_least_sure_first_and_filters(driver: Chrome, tmp_path: Path) -> None:
    path = sheet(tmp_path, [(0.99, 0.01), (0.55, 0.01), (0.1, 0.2)], broken=EVIL)
    look_like(driver, DESKTOP)
    driver.get(path.as_uri())
    assert names(driver) == ["0001.png", "0002.png", "0000.png"]
    duck, evil = driver.find_elements(By.CSS_SELECTOR, "#filters button")
    duck.click()
    assert names(driver) == ["0001.png", "0000.png"]
    evil.click()
    assert names(driver) == []
    assert driver.find_element(By.ID, "none").is_displayed()
    assert driver.title.startswith(EVIL)
    assert EVIL in driver.find_element(By.TAG_NAME, "details").text
    assert "it is <b>broken</b>" in driver.find_element(By.TAG_NAME, "details").text
    assert not driver.find_elements(By.CSS_SELECTOR, "img")
    complaints = driver.get_log("browser")  # type: ignore[no-untyped-call]
    assert not [each for each in complaints if each["level"] == "SEVERE"]


def test_outlines_lie_on_the_object(driver: Chrome, tmp_path: Path) -> None:
    path = sheet(tmp_path, [(0.99, 0.01)], broken="b.png")
    driver.get(path.as_uri())
    box = driver.execute_script(
        "const b = document.querySelector('path:not(.halo)').getBBox();"
        "return [b.x, b.y, b.width, b.height]"
    )
    # Twice the picture of 160 x 120, whose object is 80 x 60 at (40, 30).
    assert box == pytest.approx([80, 60, 160, 120], abs=2)


def test_many_images_come_as_one_scrolls_and_no_more_than_there_is_room_for(
    driver: Chrome, tmp_path: Path
) -> None:
    presences = [(0.5 + i / 1000, 0.0) for i in range(305)]
    path = sheet(tmp_path, presences, broken="b.png", max_cards=300)
    driver.get(path.as_uri())
    first = len(names(driver))
    assert 0 < first < 300
    driver.execute_script("scrollTo(0, document.body.scrollHeight)")
    driver.implicitly_wait(10)
    driver.find_element(By.CSS_SELECTOR, f"figure:nth-of-type({first + 1})")
    driver.implicitly_wait(0)
    assert "Of 305 images these are the 300" in driver.page_source
    assert driver.find_element(By.ID, "shown").get_property("textContent") == "300 images"
