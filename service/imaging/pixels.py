"""From any Pillow mode, or RGB that is decoded already, to 8-bit RGB.

Decisions:
- 16-bit grey is divided by its full range, 65535. A 12-bit picture stored in 16 bits therefore
  comes out dark: the file does not tell its depth, and guessing would make two pictures of one
  camera differ.
- 32-bit integers within 0..65535 are read the same way, floats within 0..1 as intensities.
  Wider ones have no known white and are stretched from their least to their greatest value.
- Transparency is laid over white, as viewers show it. Colour profiles are ignored.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_BAND_PIXELS = 1 << 16

WIDE_WHITES = {"I;16": 65535.0, "I;16L": 65535.0, "I;16B": 65535.0, "I": 65535.0, "F": 1.0}
ALPHA_MODES = frozenset({"LA", "PA", "RGBA", "La", "RGBa"})


def rgb_pixels(image: Image.Image | NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture as 8-bit RGB (H, W, 3).

    Raises:
        ValueError: a mode Pillow cannot convert.
    """
    if isinstance(image, np.ndarray):
        return image
    if image.mode in WIDE_WHITES:
        values = np.asarray(image)
        grey = _to_u8(values, WIDE_WHITES[image.mode])  # (H, W)
        if "transparency" in image.info:
            grey[values == image.info["transparency"]] = 255
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.mode in ALPHA_MODES or "transparency" in image.info:
        image = _over_white(image)
    # Converting to the mode it already has would copy the whole picture.
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _over_white(image: Image.Image) -> Image.Image:
    flat = Image.new("RGB", image.size)
    rows = max(1, _BAND_PIXELS // image.width)
    for top in range(0, image.height, rows):
        box = (0, top, image.width, min(top + rows, image.height))
        colours = image.crop(box).convert("RGBA")
        white = Image.new("RGBA", colours.size, "white")
        flat.paste(Image.alpha_composite(white, colours).convert("RGB"), box)
    return flat


def _to_u8(values: NDArray[np.generic], white: float) -> NDArray[np.uint8]:
    """Scale grey values to 0..255 by their white, or by their own extent when they exceed it."""
    bands = _bands(values)
    black = min(float(_finite(values[band]).min()) for band in bands)
    brightest = max(float(_finite(values[band]).max()) for band in bands)
    if black >= 0 and brightest <= white:
        black, brightest = 0.0, white
    # A flat picture has no extent; divided by one it is black.
    scale = 255.0 / ((brightest - black) or 1.0)
    grey = np.empty(values.shape, np.uint8)
    for band in bands:
        grey[band] = np.rint((_finite(values[band]) - black) * scale)
    return grey


def _bands(values: NDArray[np.generic]) -> list[slice]:
    """Rows a few at a time, so that wide numbers of the whole picture never exist at once."""
    height, width = values.shape
    rows = max(1, _BAND_PIXELS // width)
    return [slice(top, top + rows) for top in range(0, height, rows)]


def _finite(values: NDArray[np.generic]) -> NDArray[np.float64]:
    # Infinities would take the whole scale; float64 holds every 32-bit integer exactly. A file may
    # hold signalling NaNs, which numpy would warn of in the cast.
    with np.errstate(invalid="ignore"):
        wide = values.astype(np.float64)
    return np.nan_to_num(wide, nan=0.0, posinf=0.0, neginf=0.0)
