"""Which classes an image is tiled for, and at which scale."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from model.contract import SupportSet
from service.schemas import LookMode

_STEPS = 2  # tile sides to an octave: classes of nearly one scale share their tiles
# An object that is shown so many times smaller than where it was registered is too small.
_MAX_SCALE_RATIO = 2.5
_MAX_FITTED_RATIO = 1.5  # and one that is shown so many times smaller is still as it was learned
_TILE_TO_CLOSE_UP = 2  # a tile of a small class shows as many times what its close-ups do
_MAX_SMALL_SIDE = 0.7  # of the side of its supports, what a tile of a small class shows at most


class TileView(NamedTuple):
    """How tiles show a class: pixels of their sides, and the supports at that scale.

    small: its objects were small in their supports.
    """

    side: int
    supports: SupportSet
    small: bool


class WholeImageResult(NamedTuple):
    """A class in an image that was segmented as a whole.

    found: it is present, and marked.
    fitted_side: of the images in which its pixels were classified, if they were.
    """

    view: TileView
    found: bool
    fitted_side: int | None = None

    def will_do(self, side: float, input_side: int) -> bool:
        """Whether what was found in a whole image of this side is as good as tiles would be.

        Pixels that were classified in images as large, and not much larger than the network's
        input, tell more of it than tiles, which show it larger than it ever was learned.
        """
        if not self.found or self.fitted_side is None:
            return False
        return side <= min(_MAX_FITTED_RATIO * self.fitted_side, _MAX_SCALE_RATIO * input_side)


def tile_view(supports: SupportSet, input_side: int) -> TileView:
    """The view of a class, in tiles of two thirds of the network's side S at least.

    Smaller ones would cost more tiles than they show detail (docs/adr/0018).
    """
    min_side = 2 * input_side // 3
    whole = supports.side or input_side
    if supports.close_up is not None and supports.close_up.side is not None:
        side = max(_TILE_TO_CLOSE_UP * supports.close_up.side, min_side)
        nearer = side * side <= supports.close_up.side * whole  # on a logarithmic scale
        if side <= _MAX_SMALL_SIDE * whole and nearer:
            return TileView(side, supports.close_up, small=True)
    return TileView(max(whole, min_side), supports, small=False)


def tile_sides(
    mode: LookMode,
    results: Mapping[str, WholeImageResult],
    *,
    height: int,
    width: int,
    input_side: int,
) -> Mapping[int, Sequence[str]]:
    """Tile sides in pixels, and the classes that are looked for at each; none: the whole will do.

    `auto` tiles where the image shows a class much smaller than its supports did, if either the
    object was small in its supports already, or the whole image does not show it: a large image
    may as well hold a large object; or pixels were classified, which tells at their scale alone.
    Not where the whole will do.
    """
    if mode == "whole":
        return {}
    sides: defaultdict[int, list[str]] = defaultdict(list)
    image_side = (height * width) ** 0.5
    for name, result in results.items():
        view = result.view
        too_small = image_side > _MAX_SCALE_RATIO * view.side
        helped = too_small and (view.small or not result.found or result.fitted_side is not None)
        if mode == "tiled" or (helped and not result.will_do(image_side, input_side)):
            sides[_shared(view.side, input_side)].append(name)
    return dict(sides)


def _shared(side: int, input_side: int) -> int:
    """The nearest of the sides that classes share."""
    return round(input_side * 2 ** (round(_STEPS * math.log2(side / input_side)) / _STEPS))
