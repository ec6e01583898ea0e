"""The playground as a person uses it: what they see, click, type and paint."""

import base64
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

_DOWNLOAD_S = 3
TIMEOUT_S = 15
Seen = TypeVar("Seen")
Point = tuple[float, float]


def move(place: tuple[int, int]) -> dict[str, object]:
    """A step of the WebDriver standard's pointer actions."""
    return {"type": "pointerMove", "duration": 10, "x": place[0], "y": place[1]}


class Playground:
    """The page in a browser; every click and key press of a person is counted."""

    def __init__(self, driver: Chrome, url: str, downloads: Path) -> None:
        self.driver = driver
        self.url = url
        self.downloads = downloads
        self.clicks = 0
        self.photo_size = (800, 600)  # of the photograph in the editor

    def open(self, *, signed_in: bool = True) -> None:
        """As a newcomer: nothing is remembered. Without a key, the page asks for one first."""
        # Before any script of the page runs, so that it need not be loaded twice.
        forget = self.driver.execute_cdp_cmd(
            "Page.addScriptToEvaluateOnNewDocument", {"source": "sessionStorage.clear()"}
        )
        self.driver.get(self.url)
        self.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", forget)
        if signed_in:
            self.ready()

    def reload(self) -> None:
        self.driver.get(self.url)
        self.ready()

    def ready(self) -> None:
        """Wait until the page knows the service."""
        self.until(lambda: self.driver.find_elements(By.CSS_SELECTOR, "html[data-ready]"))

    def until(self, seen: Callable[[], Seen]) -> Seen:
        """Wait for something to be there."""
        waiting = WebDriverWait(
            self.driver, TIMEOUT_S, 0.05, ignored_exceptions=[StaleElementReferenceException]
        )
        return waiting.until(lambda _: seen())

    def one(self, selector: str) -> WebElement:
        return self.until(lambda: self.driver.find_element(By.CSS_SELECTOR, selector))

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def texts(self, selector: str) -> list[str]:
        return [element.text for element in self.all(selector)]

    def click(self, selector: str) -> None:
        """Once it is there and may be clicked."""
        element = self.until(
            lambda: next((e for e in self.all(selector) if e.is_displayed() and e.is_enabled()), 0)
        )
        assert isinstance(element, WebElement)
        # With the header above it, "into view" may still be below the header.
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()
        self.clicks += 1

    def press(self, *keys: str) -> None:
        """Keys where the focus is."""
        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()
            self.clicks += 1

    def type(self, selector: str, text: str) -> None:
        self.one(selector).send_keys(text)
        self.clicks += 1

    def choose(self, selector: str, paths: Sequence[Path]) -> None:
        """Files, in the system's own dialog."""
        self.one(selector).send_keys("\n".join(str(path) for path in paths))
        self.clicks += 2

    def paste(self, path: Path, selector: str = "body", words: str = "") -> bool:
        """A picture, and the words it came with, where the focus would be; whether it is taken."""
        self.clicks += 1
        return bool(
            self.driver.execute_script(
                "const [place, name, text, words] = arguments;"
                "const bytes = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));"
                "const clipboardData = new DataTransfer();"
                "clipboardData.items.add(new File([bytes], name, {type: 'image/png'}));"
                "if (words) clipboardData.setData('text/plain', words);"
                "const kind = {clipboardData, bubbles: true, cancelable: true};"
                "return !place.dispatchEvent(new ClipboardEvent('paste', kind))",
                self.one(selector),
                path.name,
                base64.b64encode(path.read_bytes()).decode(),
                words,
            )
        )

    def choose_option(self, selector: str, words: str) -> None:
        """One of those that a list offers."""
        Select(self.one(selector)).select_by_visible_text(words)
        self.clicks += 2

    def slide(self, selector: str, value: float) -> None:
        """Move a slider, as dragging it does."""
        self.driver.execute_script(
            "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))",
            self.one(selector),
            str(value),
        )
        self.clicks += 1

    def editor(self) -> None:
        """Wait for the editor."""
        self.one("dialog.editor[open]")
        self.settle()

    def close_editor(self, choice: str) -> None:
        """By one of the buttons at its foot."""
        self.click(f"dialog.editor .actions button[value='{choice}']")

    def answer(self, value: str) -> None:
        """Of the page's question: `yes` or `no`."""
        self.click(f"dialog.question button[value='{value}']")
        self.until(lambda: not self.all("dialog.question"))

    def tool(self, name: str) -> None:
        self.click(f"dialog.editor .toolbar button[value='{name}']")

    def paint(self, points: Sequence[Point], pointer: str = "mouse") -> None:
        """Along points, in shares of the photograph's width and height."""
        down, *along = [self._on_screen(point) for point in points]
        steps = [move(down), {"type": "pointerDown", "button": 0}]
        steps += [*map(move, along), {"type": "pointerUp", "button": 0}]
        source = {"type": "pointer", "id": pointer, "parameters": {"pointerType": pointer}}
        self.driver.execute("actions", {"actions": [source | {"actions": steps}]})
        self.clicks += 1

    def tap(self, *points: Point) -> None:
        for point in points:
            self.paint([point])

    def register(self) -> None:
        """And wait until the service has answered."""
        before = self.texts("#class-list .class-name")
        self.click("#register")
        self.until(lambda: self.texts("#class-list .class-name") != before)

    def found(self, images: int) -> None:
        """Wait until every image has its answer."""
        wanted = f"{images} image" + "s" * (images != 1)
        self.until(lambda: self.one("#find-status").text == wanted)
        self.until(lambda: not self.all(".card.busy"))
        self.settle()

    def settle(self) -> None:
        """Wait for two frames: what was changed has been drawn."""
        self.driver.execute_async_script(
            "const done = arguments[0];"
            "requestAnimationFrame(() => requestAnimationFrame(() => done()))"
        )

    def download(self, selector: str, name: str) -> Path:
        """Click, and wait for the file; again, where an answer is asked for that very moment."""
        path = self.downloads / name
        path.unlink(missing_ok=True)
        deadline = time.monotonic() + TIMEOUT_S

        def has_arrived() -> bool:
            # Until the whole file takes its place at once, Chromium keeps the name by an empty one.
            return path.exists() and path.stat().st_size > 0

        while not has_arrived():
            assert time.monotonic() < deadline, f"{name} did not arrive"
            self.click(selector)
            again = time.monotonic() + _DOWNLOAD_S
            while not has_arrived() and time.monotonic() < again:
                time.sleep(0.05)
        return path

    def complaints(self) -> list[str]:
        """What the browser found wrong since this was last asked: errors, and the page's policy."""
        return [
            entry["message"]
            for entry in self.driver.get_log("browser")  # type: ignore[no-untyped-call]
            if entry["level"] == "SEVERE"
        ]

    def painted(self) -> int:
        """Pixels of the mask on the easel, seen by how blue the classes' first colour makes it."""
        return int(
            self.driver.execute_script(
                "const c = document.querySelector('.stage canvas');"
                "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
                "let n = 0;"
                "for (let i = 0; i < d.length; i += 4)"
                " if (d[i + 3] && d[i + 2] > d[i] + 20 && d[i + 2] > d[i + 1] + 20) n++;"
                "return n"
            )
        )

    def _on_screen(self, point: Point) -> tuple[int, int]:
        """Where a point of the photograph is while the whole of it is shown."""
        width, height = self.photo_size
        left, top, across, down = self.driver.execute_script(
            "const b = document.querySelector('.stage canvas').getBoundingClientRect();"
            "return [b.x, b.y, b.width, b.height]"
        )
        scale = min((across - 32) / width, (down - 32) / height)
        left += (across - width * scale) / 2
        top += (down - height * scale) / 2
        return round(left + point[0] * width * scale), round(top + point[1] * height * scale)
