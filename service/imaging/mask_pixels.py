"""From any Pillow mode, or RGB that is decoded already, to object and background.

Decisions:
- A palette mask is read by index, so a black object with index 1 is an object.
- A pixel is object where any colour channel and, if there is one, the alpha channel are nonzero.
- An index or a colour that the file marks as transparent changes nothing: programs mark others.
- Lossy codings blur the edge and ring around it: there, object is a channel of at least 128.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.imaging.pixels import ALPHA_MODES, WIDE_WHITES

# Halfway between the 0 and 255 a lossy mask was drawn with, where its edge was.
LOSSY_OBJECT_LEVEL = 128

_PALETTE_MODES = frozenset({"P", "PA"})
_CHANNEL_MODES = frozenset({"1", "L", "LA", "RGB", "RGBA"})


class MaskChannels(NamedTuple):
    """The values of a mask.

    colour: (H, W) grey or palette index, or (H, W, C); of any kind of number.
    alpha: (H, W), if there is one.
    """

    colour: NDArray[Any]
    alpha: NDArray[Any] | None = None


def mask_channels(image: Image.Image | NDArray[np.uint8]) -> MaskChannels:
    """The values that say where the object is.

    Raises:
        ValueError: a mode Pillow cannot convert.
    """
    if isinstance(image, np.ndarray):
        return MaskChannels(image)
    if image.mode in WIDE_WHITES:
        return MaskChannels(np.nan_to_num(np.asarray(image)))
    if image.mode not in _CHANNEL_MODES | _PALETTE_MODES:
        image = image.convert("RGBA" if image.mode in ALPHA_MODES else "RGB")
    values = np.asarray(image)
    if image.mode in ALPHA_MODES:
        return MaskChannels(values[:, :, :-1], values[:, :, -1])
    return MaskChannels(values)


def object_pixels(channels: MaskChannels, *, lossy: bool) -> NDArray[np.bool_]:
    """Where the mask has its object (H, W)."""
    colour, alpha = channels
    least = LOSSY_OBJECT_LEVEL if lossy and colour.dtype == np.uint8 else None
    marked = colour != 0 if least is None else colour >= least
    if marked.ndim == 3:
        marked = marked.any(axis=2)
    return np.asarray(marked if alpha is None else marked & (alpha != 0), np.bool_)
