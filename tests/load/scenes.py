"""Pictures the harness draws: coloured boxes on noisy ground, no two alike."""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.service.pictures import GREEN

# Far apart from each other and from the ground in the colours a network sees.
COLOURS = {
    "red": (210, 40, 40),
    "blue": (40, 60, 210),
    "yellow": (235, 215, 40),
    "magenta": (200, 40, 200),
    "cyan": (50, 205, 215),
    "white": (240, 240, 240),
    "black": (15, 15, 15),
    "orange": (240, 130, 20),
}
Kind = Literal["png", "jpg"]

_NOISE = 8
_MAX_TRIES = 1000
_CORNER = 8  # its reciprocal is the share of each side that variants change
_SPECKS = 3  # by as many in that corner
_FAINT = 2


class Size(NamedTuple):
    """Of a picture in pixels."""

    height: int
    width: int


class Scene(NamedTuple):
    """Pixels (H, W, 3) RGB and the box of every colour as a mask (H, W)."""

    image: NDArray[np.uint8]
    masks: dict[str, NDArray[np.bool_]]


def draw(colours: Sequence[str], size: Size, rng: np.random.Generator) -> Scene:
    """One box of each colour, none over another, at places and of sizes by chance."""
    taken = np.zeros(size, np.bool_)
    taken[: size.height // _CORNER, : size.width // _CORNER] = True
    image = np.tile(np.array(GREEN), (*size, 1))
    masks: dict[str, NDArray[np.bool_]] = {}
    for colour in colours:
        mask = _free_box(taken, size, rng)
        image[mask] = COLOURS[colour]
        taken |= mask
        masks[colour] = mask
    image += rng.integers(-_NOISE, _NOISE, image.shape)
    return Scene(image.clip(0, 255).astype(np.uint8), masks)


def _free_box(taken: NDArray[np.bool_], size: Size, rng: np.random.Generator) -> NDArray[np.bool_]:
    for _ in range(_MAX_TRIES):
        height = int(rng.integers(size.height // 5, 2 * size.height // 5))
        width = int(rng.integers(size.width // 5, 2 * size.width // 5))
        top = int(rng.integers(size.height - height))
        left = int(rng.integers(size.width - width))
        mask = np.zeros(size, np.bool_)
        mask[top : top + height, left : left + width] = True
        if not (mask & taken).any():
            return mask
    raise RuntimeError("no room for another box; draw fewer colours")


def variants(image: NDArray[np.uint8], rng: np.random.Generator) -> Iterator[NDArray[np.uint8]]:
    """The same picture again and again, each time with other faint specks in a corner.

    To a cache they are new images; to a network, hardly different.
    """
    height, width = image.shape[0] // _CORNER, image.shape[1] // _CORNER
    speck_shape = (-(-height // _SPECKS), -(-width // _SPECKS), 1)
    while True:
        levels = rng.integers(-_FAINT, _FAINT + 1, (_SPECKS, _SPECKS, 3))
        specks = np.kron(levels, np.ones(speck_shape, np.int16))[:height, :width]
        changed = image.copy()
        corner = image[:height, :width] + specks
        changed[:height, :width] = corner.clip(0, 255)
        yield changed


def encode(pixels: NDArray[np.uint8] | NDArray[np.bool_], kind: Kind) -> bytes:
    """An image file of RGB pixels (H, W, 3) or of a mask (H, W)."""
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * np.uint8(255)
    ordered = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    done, buffer = cv2.imencode(f".{kind}", np.ascontiguousarray(ordered))
    if not done:
        raise RuntimeError(f"{kind} cannot hold such pixels")
    return buffer.tobytes()
