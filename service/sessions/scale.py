"""Which classes an image is tiled for, and at which scale."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from model.contract import SupportSet

_OBJECTS = 2  # a tile shows this many times what the close-ups of its class do
_STEPS = 2  # tile sides to an octave: classes of nearly one scale share their tiles
# An object that is seen at less than this share of the scale it was registered at is too small.
_FAR = 2.5


class Seen(NamedTuple):
    """A class in an image that was looked at as a whole; `found`: it is there, and marked."""

    supports: SupportSet
    found: bool


def tile_sides(
    mode: Literal["auto", "whole", "tiled"],
    seen: Mapping[str, Seen],
    *,
    height: int,
    width: int,
    input_side: int,
) -> Mapping[int, Sequence[str]]:
    """Tile sides in pixels, and the classes that are looked for at each; none: the whole will do.

    `auto` tiles where the image shows a class much smaller than its supports did, if either the
    object was small in its supports already, or the whole image does not show it: a large image
    may as well hold a large object.
    """
    if mode == "whole":
        return {}
    sides: defaultdict[int, list[str]] = defaultdict(list)
    for name, (supports, found) in seen.items():
        side = _tile_side(supports, input_side)
        far = (height * width) ** 0.5 > _FAR * side
        if mode == "tiled" or (far and (supports.close is not None or not found)):
            sides[_shared(side, input_side)].append(name)
    return dict(sides)


def _tile_side(supports: SupportSet, input_side: int) -> int:
    """Pixels, which smaller tiles would cost more of than they show detail (docs/adr/0018)."""
    if supports.close is None:
        side = supports.side or input_side
    else:
        side = _OBJECTS * (supports.close.side or input_side)
    return max(side, 2 * input_side // 3)


def _shared(side: int, input_side: int) -> int:
    """The nearest of the sides that classes share."""
    octave = 0.0
    while input_side * 2 ** (octave + 0.5 / _STEPS) < side:
        octave += 1 / _STEPS
    while input_side * 2 ** (octave - 0.5 / _STEPS) > side:
        octave -= 1 / _STEPS
    return round(input_side * 2**octave)
