"""Every family of material, and one of them laid before the camera."""

import cv2
import numpy as np

from model.data.procedural.noise import Image, uniform
from model.data.procedural.textiles import carpet, knitted, leather, woven
from model.data.procedural.textures import (
    Texture,
    brushed_metal,
    cast_metal,
    concrete,
    glass,
    paper,
    powder,
    printed_board,
    tile,
    wood,
)

TEXTURES: tuple[Texture, ...] = (
    brushed_metal,
    cast_metal,
    woven,
    knitted,
    wood,
    leather,
    concrete,
    tile,
    printed_board,
    carpet,
    glass,
    powder,
    paper,
)
TEXTILES: tuple[Texture, ...] = (woven, knitted, carpet)

# Leaves headroom, so that bright defects show on white goods too.
_BRIGHTEST_MEAN = 0.62


def lay_surface(rng: np.random.Generator, side: int, families: tuple[Texture, ...]) -> Image:
    """A surface of a random family, turned and tilted before the camera, (side, side, 3)."""
    wide = int(side * 1.25)
    sheet = families[int(rng.integers(len(families)))](rng, wide)
    angle = np.pi / 2 * rng.integers(4) + rng.normal(0, 0.25)
    half = side * uniform(rng, 0.38, 0.5)
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32) * half
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = square @ turn.T + wide / 2 + rng.normal(0, side * 0.03, (4, 2))
    target = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float32)
    camera = cv2.getPerspectiveTransform(corners.astype(np.float32), target)
    view = cv2.warpPerspective(
        sheet, camera, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    exposure = min(1.0, _BRIGHTEST_MEAN / float(view.mean()))
    return np.asarray(view, np.float32) * np.float32(exposure)
