"""`python -m tests.browser.screenshots`: walk the playground and picture each step for the docs."""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.progress import track
from selenium.webdriver import Chrome, Keys

from service.samples import SAMPLES, Sample, image_path
from tests.browser.chromium import DESKTOP, PHONE, chromium, look_like
from tests.browser.playground import Playground, Point
from tests.service.processes import serving

_OUT = Path(__file__).parents[2] / "docs" / "playground"
# The same masks on every machine, with VNNI or without.
_SERVICE = {"FSS_DEVICES": "cpu", "FSS_PRECISION": "fp32"}
_QUALITY = 78
_DUCKS = ("support_duck_1", "support_duck_2", "support_duck_3")
_PIT = [(0.38, 0.52), (0.45, 0.54), (0.42, 0.49), (0.48, 0.47)]
_CORNERS = [(0.45, 0.335), (0.475, 0.315), (0.505, 0.335), (0.5, 0.375), (0.46, 0.375)]


def main() -> None:
    """Write all pictures."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.browser.screenshots", description=__doc__
    )
    parser.add_argument("--out", type=Path, default=_OUT, help="folder for the pictures")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with _page() as page:
        for image, name in track([*_desktop(page), *_phone(page)], "Writing"):
            image.save(out / name, quality=_QUALITY, method=6)


@contextmanager
def _page() -> Iterator[Playground]:
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder) / "log", _SERVICE) as server,
        chromium(Path(folder)) as driver,
    ):
        yield Playground(driver, str(server.client.base_url), Path(folder))


Shot = tuple[Image.Image, str]


def _desktop(page: Playground) -> Iterator[Shot]:
    look_like(page.driver, DESKTOP)
    page.open()
    yield _picture(page.driver), "1-empty.webp"
    page.choose("#shot-files", [image_path(SAMPLES, "support_pit_1")])
    page.editor()
    page.click(".editor button[value='help']")
    page.paint(_PIT)
    yield _picture(page.driver), "2-paint.webp"
    page.press(Keys.ESCAPE)
    page.open()
    page.click(".intro .try-sample")
    page.until(lambda: len(page.all(".card")) == 5)
    _top(page, "step-1")
    yield _picture(page.driver), "3-register.webp"
    page.register()
    page.found(5)
    _top(page, "step-2")
    yield _picture(page.driver), "4-find.webp"
    before = page.texts(".find-score")
    page.slide("#threshold", 0.6)
    page.until(lambda: page.texts(".find-score") != before)
    page.found(5)
    _top(page, "step-2")
    yield _picture(page.driver), "5-threshold.webp"
    page.click("#threshold-reset")
    page.until(lambda: page.texts(".find-score") == before)
    page.click(".find .edit")
    page.editor()
    page.tool("polygon")
    page.tap(*_CORNERS)
    yield _picture(page.driver), "6-correct.webp"
    page.press(Keys.ENTER)
    page.close_editor("shot")
    # Fitted or not.
    page.until(lambda: page.texts(".class-name small")[0].startswith("4 shots"))
    yield from _second_class(page)
    _top(page, "step-3")
    yield _picture(page.driver), "8-take.webp"


def _second_class(page: Playground) -> Iterator[Shot]:
    page.choose("#shot-files", [image_path(SAMPLES, name) for name in _DUCKS])
    for name in _DUCKS:
        page.editor()
        page.tool("polygon")
        page.tap(*_corners(Sample(SAMPLES, name).mask("duck")))
        page.press(Keys.ENTER)
        page.close_editor("done")
    page.type("#class-name", "duck")
    page.register()
    page.found(5)
    look_like(page.driver, DESKTOP, "dark")
    _top(page, "step-1")
    yield _picture(page.driver), "7-two-classes-dark.webp"
    look_like(page.driver, DESKTOP)


def _corners(mask: NDArray[np.bool_]) -> list[Point]:
    """Where somebody would click who goes around an object."""
    height, width = mask.shape
    contours, _ = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    outline = cv2.approxPolyDP(max(contours, key=cv2.contourArea), 4, closed=True)[:, 0]
    return [(float(x) / width, float(y) / height) for x, y in outline]


def _phone(page: Playground) -> Iterator[Shot]:
    look_like(page.driver, PHONE)
    page.open()
    page.click(".intro .try-sample")
    page.until(lambda: len(page.all(".card")) == 5)
    _top(page, "step-1")
    pictures = [_picture(page.driver)]
    page.register()
    page.found(5)
    _top(page, "step-2")
    pictures.append(_picture(page.driver))
    page.click(".find .edit")
    page.editor()
    pictures.append(_picture(page.driver))
    yield _beside(pictures), "9-phone.webp"


def _top(page: Playground, section: str) -> None:
    page.until(lambda: not page.all(".notice"))
    page.driver.execute_script("document.getElementById(arguments[0]).scrollIntoView()", section)
    page.settle()


def _picture(driver: Chrome) -> Image.Image:
    return Image.open(BytesIO(driver.get_screenshot_as_png())).convert("RGB")


def _beside(pictures: list[Image.Image], gap: int = 16) -> Image.Image:
    width, height = pictures[0].size
    strip = Image.new("RGB", (len(pictures) * (width + gap) - gap, height), (128, 128, 128))
    for place, picture in enumerate(pictures):
        strip.paste(picture, (place * (width + gap), 0))
    return strip


if __name__ == "__main__":
    main()
