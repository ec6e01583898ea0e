"""Masks drawn over images, and all of them on one sheet."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

_COLOURS = ((255, 64, 129), (0, 188, 212), (255, 193, 7), (139, 195, 74))
_OPACITY = 0.42
_FONT = cv2.FONT_HERSHEY_DUPLEX
_GAP_PX = 12


def colour_of(index: int) -> tuple[int, int, int]:
    """The RGB colour of the index-th class."""
    return _COLOURS[index % len(_COLOURS)]


def overlay(image: Picture, masks: Mapping[str, NDArray[np.bool_]]) -> Picture:
    """An image (H, W, 3) with its masks tinted and outlined, and a legend of the classes."""
    drawn = image.copy()
    for index, mask in enumerate(masks.values()):
        _tint(drawn, mask, colour_of(index))
    _legend(drawn, list(masks))
    return drawn


def _tint(drawn: Picture, mask: NDArray[np.bool_], colour: tuple[int, int, int]) -> None:
    tinted = (1 - _OPACITY) * drawn[mask] + _OPACITY * np.array(colour)
    drawn[mask] = tinted.astype(np.uint8)
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    width = max(1, round(drawn.shape[0] / 200))
    # White below the colour keeps the outline visible on any ground.
    cv2.drawContours(drawn, outlines, -1, (255, 255, 255), width + 2, cv2.LINE_AA)
    cv2.drawContours(drawn, outlines, -1, colour, width, cv2.LINE_AA)


def _legend(drawn: Picture, names: Sequence[str]) -> None:
    size = max(12, drawn.shape[0] // 30)
    margin, x = size // 2, size
    for index, name in enumerate(names):
        (text_width, _), _ = cv2.getTextSize(name, _FONT, size / 26, 1)
        end = x + size + margin + text_width + margin
        panel = drawn[size - margin : 2 * size + margin, x - margin : end]
        panel[:] = panel // 4
        cv2.rectangle(drawn, (x, size), (x + size, 2 * size), colour_of(index), cv2.FILLED)
        where = (x + size + margin, 2 * size - size // 8)
        cv2.putText(drawn, name, where, _FONT, size / 26, (255, 255, 255), 1, cv2.LINE_AA)
        x = end + size


def contact_sheet(pictures: Sequence[Picture], *, columns: int, width: int) -> Picture:
    """Pictures of any size in rows of `columns`, each `width` wide in a 4:3 cell, on dark grey."""
    height, rows = width * 3 // 4, -(-len(pictures) // columns)
    sheet_shape = (rows * (height + _GAP_PX) + _GAP_PX, columns * (width + _GAP_PX) + _GAP_PX, 3)
    sheet = np.full(sheet_shape, 32, np.uint8)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        y, x = _GAP_PX + row * (height + _GAP_PX), _GAP_PX + column * (width + _GAP_PX)
        cell = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        sheet[y : y + height, x : x + width] = cell
    return sheet
