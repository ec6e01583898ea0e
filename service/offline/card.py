"""How a result is shown: a small picture, and the outlines of its masks as SVG paths."""

import base64
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from service.imaging import decode_image, decode_rle
from service.schemas import ImageResult, RleMask
from service.sessions import PixelBudget

SIDE_PX = 320
"""The longer side of a picture."""
_JPEG_QUALITY = 78
_TOLERANCE_PX = 0.6


class Card(NamedTuple):
    """A JPEG in base64, its size, and the path of each class that has pixels."""

    jpeg: str
    height: int
    width: int
    paths: dict[str, str]


def draw_card(
    data: bytes, result: ImageResult, *, max_pixels: int, pixel_budget: PixelBudget
) -> Card:
    """The card of an image file and what was found in it."""
    scale = SIDE_PX / max(result.height, result.width)
    height, width = (max(1, round(side * scale)) for side in (result.height, result.width))
    with pixel_budget.reservation() as reserve:
        image = decode_image(data, max_pixels=max_pixels, on_size=reserve)
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        del image
        paths = {
            each.class_name: _path(decode_rle(each.mask), height, width)
            for each in result.classes
            if isinstance(each.mask, RleMask) and each.area
        }
    _, jpeg = cv2.imencode(
        ".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY)
    )
    return Card(base64.b64encode(jpeg.tobytes()).decode("ascii"), height, width, paths)


def _path(mask: NDArray[np.bool_], height: int, width: int) -> str:
    """The outlines of a mask (H, W) in a picture of (height, width), to be filled even-odd."""
    shares = cv2.resize(mask.view(np.uint8) * 255, (width, height), interpolation=cv2.INTER_AREA)
    # What is smaller than half a pixel of the picture is shown all the same.
    small = (shares >= min(128, max(1, int(shares.max())))).astype(np.uint8)
    if not small.any():  # and what is less than a share can tell
        rows, columns = np.nonzero(mask)
        small[rows * height // mask.shape[0], columns * width // mask.shape[1]] = 1
    outlines, _ = cv2.findContours(small, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    simple = (cv2.approxPolyDP(outline, _TOLERANCE_PX, closed=True) for outline in outlines)
    return "".join(_ring(outline[:, 0, :].tolist()) for outline in simple)


def _ring(corners: list[list[int]]) -> str:
    return "M" + "L".join(f"{x}.5 {y}.5" for x, y in corners) + "Z"
