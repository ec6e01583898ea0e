"""Which values a mask has beside background, by a sample of its pixels.

All of them are taken as object, which those who send label maps, soft edges or a photograph by
mistake do not expect. At most 16,384 pixels are looked at, each beside its right neighbour:
whatever the size of the mask, that costs about a millisecond.
"""

import math
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.imaging.mask_pixels import MaskChannels

ValueKind = Literal["one", "several", "soft", "picture"]

_SAMPLED_PIXELS = 1 << 14
_PLACES = (1 << 16, 1 << 8, 1)  # of red, green and blue in the number of a colour
# Of pixels between a quarter and three quarters of the greatest value that differ from their
# neighbour. Photographs have 0.085 at least, masks that were JPEGs under 0.01, label maps too.
_PICTURE_SHARE = 0.08
# Of pixels between 0 and the greatest value, those that differ from their neighbour: under 0.25 in
# label maps, mostly over 0.4 on soft edges.
_SOFT_SHARE = 0.3


class MaskValues(NamedTuple):
    """The values above 0.

    kind: `one` value, or `several`, each in areas of its own; `soft`: those of edges that fade;
        `picture`: values all over, as of a photograph.
    different: how many values or colours there are.
    grey: the values in ascending order; none of a mask in colours.
    """

    kind: ValueKind
    different: int
    grey: NDArray[Any]


def mask_values(channels: MaskChannels, *, lossy: bool) -> MaskValues:
    """What values a mask has; a lossy one, which cannot but have several, is `one` or `picture`."""
    height, width = channels.colour.shape[:2]
    step = max(1, math.ceil(math.sqrt(height * width / _SAMPLED_PIXELS)))
    # A mask of a single column has no neighbours, and is compared with itself.
    pixels = _sample(channels, step, slice(0, max(1, width - 1), step))
    beside = _sample(channels, step, slice(min(1, width - 1), width, step))
    levels = _levels(pixels)
    grey = pixels.ndim == 2 or bool((pixels == pixels[:, :, :1]).all())
    values = np.unique(levels if grey else pixels @ _PLACES)
    values = values[values != 0]
    kind = _kind(levels, _levels(beside), exact=not lossy, several=len(values) > 1)
    return MaskValues(kind, len(values), values if grey else values[:0])


def _sample(channels: MaskChannels, step: int, columns: slice) -> NDArray[Any]:
    """Some pixels, (h, w) or colours (h, w, 3); those of alpha if it cuts out the mask."""
    colour = _as_numbers(channels.colour[::step, columns])
    if channels.alpha is None:
        return colour
    alpha = channels.alpha[::step, columns]
    if alpha.min() == alpha.max():
        return colour
    return np.where(_levels(colour) != 0, _as_numbers(alpha), 0)


def _as_numbers(values: NDArray[Any]) -> NDArray[Any]:
    """Numbers with room for sums of products; floats stay as they are."""
    return values if values.dtype.kind == "f" else values.astype(np.int64)


def _levels(pixels: NDArray[Any]) -> NDArray[Any]:
    """The brightest channel of each pixel (h, w)."""
    return pixels if pixels.ndim == 2 else pixels.max(axis=2)


def _kind(levels: NDArray[Any], beside: NDArray[Any], *, exact: bool, several: bool) -> ValueKind:
    """How the values lie, by levels (h, w) and those of the pixels to the right."""
    greatest, differs = levels.max(), levels != beside
    middling = (levels > greatest / 4) & (levels < greatest * 0.75)
    if (middling & differs).mean() > _PICTURE_SHARE:
        return "picture"
    if not (exact and several):
        return "one"
    between = (levels > 0) & (levels < greatest)
    return "soft" if differs[between].sum() > _SOFT_SHARE * between.sum() else "several"
