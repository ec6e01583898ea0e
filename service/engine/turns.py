"""Whose turn it is among the lanes of a device."""

from collections.abc import Sequence
from typing import Any

from service.engine.lane import Lane

# Batches of a higher rank in a row, and their seconds, after which the lower ranks get a turn:
# images that are cached need the head alone, so they could keep every new image waiting.
_MAX_AHEAD, _MAX_AHEAD_S = 3, 0.1


class Turns:
    """Lanes of a higher rank go first, but not for ever; those of one rank take turns.

    Args:
        lanes: of the device.
    """

    def __init__(self, lanes: Sequence[Lane[Any, Any]]) -> None:
        self._lanes = tuple(lanes)
        self._last_turn = {lane.name: 0 for lane in lanes}
        self._lowest_rank = min(lane.rank for lane in lanes)
        self._ahead, self._ahead_s = 0, 0.0  # batches in a row of a rank above the lowest

    def order(self) -> list[Lane[Any, Any]]:
        """The lanes as they may take a batch now: the first that has one."""
        long_ahead = self._ahead >= _MAX_AHEAD or self._ahead_s >= _MAX_AHEAD_S
        sign = 1 if long_ahead else -1
        return sorted(self._lanes, key=lambda e: (sign * e.rank, self._last_turn[e.name]))

    def took(self, lane: Lane[Any, Any]) -> None:
        """A lane has taken a batch."""
        self._last_turn[lane.name] = 1 + max(self._last_turn.values())
        if lane.rank > self._lowest_rank:
            self._ahead += 1
        else:
            self._ahead, self._ahead_s = 0, 0.0

    def ran(self, lane: Lane[Any, Any], seconds: float) -> None:
        """Its batch has run for so long."""
        if lane.rank > self._lowest_rank:
            self._ahead_s += seconds
