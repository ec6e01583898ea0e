"""Several rings as one, for formats without holes and parts."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.imaging.contours import Ring

_REACH = 2
_MAX_PLACES = 1 << 20


def join_rings(rings: Sequence[Ring]) -> Ring:
    """One ring that goes along all of them, each joined to an earlier one by a slit of no width.

    A slit goes from the start of a ring to about the nearest corner of those before it: readers
    that paint outlines paint slits too, so they are short.

    Args:
        rings: at least one.
    """
    if len(rings) == 1:
        return rings[0]
    branches = _branches(rings)
    pieces: list[Ring] = []
    ahead = [(0, 0)]  # a ring, and the corner at which it goes on
    while ahead:
        number, start = ahead.pop()
        ring = rings[number]
        if branches[number]:
            corner, branch = branches[number].pop()
            pieces.append(ring[start : corner + 1])
            ahead += [(number, corner), (branch, 0)]
        else:
            pieces.append(ring[start:])
            if number:
                pieces.append(ring[:1])
    return np.concatenate(pieces)


def _branches(rings: Sequence[Ring]) -> list[list[tuple[int, int]]]:
    """For each ring, the corners at which others are joined to it, and these; last corner first."""
    corners = np.concatenate(rings)
    corners -= corners.min(axis=0)
    extent = corners.max(axis=0) + 1
    # Pixels of one place; a large mask costs no more memory than a small one.
    places = corners // math.ceil(math.sqrt(extent.prod(dtype=np.int64) / _MAX_PLACES))
    width, height = places.max(axis=0) + 1
    ends = np.cumsum([len(ring) for ring in rings])
    index = np.full((height, width), -1, np.int32)  # of the last corner at that place
    branches: list[list[tuple[int, int]]] = [[] for _ in rings]
    for number, end in enumerate(ends.tolist()):
        start = end - len(rings[number])
        if number:
            at = _nearest(index, *places[start].tolist())
            parent = int(np.searchsorted(ends, at, side="right"))
            first = int(ends[parent]) - len(rings[parent])
            branches[parent].append((at - first, number))
        index[places[start:end, 1], places[start:end, 0]] = np.arange(start, end)
    for each in branches:
        each.sort(reverse=True)
    return branches


def _nearest(index: NDArray[np.int32], x: int, y: int) -> int:
    """What stands in (H, W) nearest to a place, among what is not negative."""
    reach = _REACH
    while True:
        top, left = max(0, y - reach), max(0, x - reach)
        window = index[top : y + reach + 1, left : x + reach + 1]
        rows, columns = np.nonzero(window >= 0)
        distances = np.abs(rows + top - y) + np.abs(columns + left - x)
        # Outside of the window there may be something nearer than in its corners.
        if distances.size and distances.min() <= reach:
            best = distances.argmin()
            return int(window[rows[best], columns[best]])
        reach *= 2
