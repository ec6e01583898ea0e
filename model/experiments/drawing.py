"""Drawing of masks and maps on images: outlines, tints, heat maps, and panels in a row."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]

HEIGHT = 240
_WIDEST = 420
_CAPTION, _GAP = 26, 10
_PAPER: Colour = (250, 249, 246)
_INK: Colour = (45, 45, 50)


class Panel(NamedTuple):
    """One picture of a row: RGB (HEIGHT, W, 3) and what it shows."""

    caption: str
    pixels: Pixels


def fit(image: Pixels) -> Pixels:
    """An RGB image at the panels' height; wide ones are squeezed to the maximum width."""
    height, width = image.shape[:2]
    wanted = min(_WIDEST, max(1, round(width * HEIGHT / height)))
    shrinks = height > HEIGHT or width > wanted
    resized = cv2.resize(
        image, (wanted, HEIGHT), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    )
    return np.asarray(resized, dtype=np.uint8)


def fit_mask(mask: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """A mask at a panel's size; an object of any size stays visible."""
    share = cv2.resize(mask.astype(np.float32), (width, HEIGHT), interpolation=cv2.INTER_AREA)
    found: NDArray[np.bool_] = share >= min(0.5, float(share.max()) or 0.5)
    return found


def paint(image: Pixels, mask: NDArray[np.bool_], colour: Colour, *, fill: float) -> Pixels:
    """Tint a mask by `fill` in [0, 1] and draw its outline, visible on dark and light ground.

    Args:
        image: as it is, any size.
        mask: of the image, (H, W).
        colour: of tint and outline.
        fill: opacity of the tint.
    """
    panel = fit(image)
    inside = fit_mask(mask, panel.shape[1])
    mixed = panel.astype(np.float32)
    mixed[inside] = (1 - fill) * mixed[inside] + fill * np.asarray(colour, np.float32)
    drawn = np.ascontiguousarray(mixed.astype(np.uint8))
    contours, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(drawn, contours, -1, (0, 0, 0), 4, cv2.LINE_AA)
    cv2.drawContours(drawn, contours, -1, colour, 2, cv2.LINE_AA)
    return drawn


def heat(image: Pixels, values: NDArray[np.float32]) -> Pixels:
    """A map in [0, 1] of any size as colours over the grey image, brightest where it is 1."""
    panel = fit(image)
    height, width = panel.shape[:2]
    spread = cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR).clip(0, 1)
    coloured = cv2.applyColorMap((spread * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    grey = np.repeat(panel.mean(axis=2, keepdims=True), 3, axis=2)
    return np.asarray(0.3 * grey + 0.7 * coloured, dtype=np.uint8)


def row(panels: Sequence[Panel]) -> Pixels:
    """Panels side by side, a caption over each; a panel is at least as wide as its caption."""
    font = ImageFont.load_default(14)
    cells = [max(p.pixels.shape[1], round(font.getlength(p.caption))) for p in panels]
    size = (sum(cells) + _GAP * (len(panels) + 1), HEIGHT + _CAPTION + 2 * _GAP)
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    left = _GAP
    for panel, cell in zip(panels, cells, strict=True):
        draw.text((left + cell / 2, _GAP + 8), panel.caption, _INK, font, anchor="mm")
        inset = (cell - panel.pixels.shape[1]) // 2
        sheet.paste(Image.fromarray(panel.pixels), (left + inset, _GAP + _CAPTION))
        left += cell + _GAP
    return np.asarray(sheet, dtype=np.uint8)
