"""Waiting before something is tried again."""

import asyncio
import math

_FIRST_S, _LONGEST_S = 0.1, 10.0


class BackOff:
    """Waits, each time twice as long as before, up to a maximum."""

    def __init__(self) -> None:
        self._next_s = _FIRST_S

    async def wait(self, *, at_most_s: float = math.inf) -> None:
        """Wait, but no longer than `at_most_s`; the first time's 0.1 s are always waited."""
        await asyncio.sleep(min(self._next_s, max(at_most_s, _FIRST_S)))
        self._next_s = min(2 * self._next_s, _LONGEST_S)

    def reset(self) -> None:
        """Wait as at first the next time."""
        self._next_s = _FIRST_S
