"""Pictures on disk for a person to choose, and how they paint the rectangle in them."""

from pathlib import Path

from PIL import Image

from tests.browser.playground import Playground
from tests.service.pictures import Picture, picture

SIZE = (160, 120)


def scene_file(folder: Path, name: str, **kind: object) -> tuple[Path, Picture]:
    """A picture as a file, and the picture."""
    scene = picture(**kind)  # type: ignore[arg-type]
    path = folder / name
    Image.fromarray(scene.image).save(path)
    return path, scene


def show(page: Playground, path: Path, name: str) -> None:
    """Step 1 with one image: choose it, paint its rectangle, name it, register it."""
    page.photo_size = SIZE
    page.choose("#shot-files", [path])
    page.editor()
    outline(page)
    page.close_editor("done")
    page.type("#class-name", name)
    page.register()


def outline(page: Playground) -> None:
    """The rectangle of `picture` as a polygon, closed at its first corner."""
    page.tool("polygon")
    top, left, bottom, right = 30 / 120, 40 / 160, 90 / 120, 120 / 160
    page.tap((left, top), (right, top), (right, bottom), (left, bottom), (left, top))
