"""Which device a request goes to."""

from collections.abc import Sequence
from typing import NamedTuple

# To encode an image once more takes about as long as so many items that wait.
_ITEMS_OF_ENCODING = 4


class Load(NamedTuple):
    """Of a device: whether it works, items that wait or run there, images it holds encodings of."""

    works: bool
    waiting: int
    held: int


def best_device(loads: Sequence[Load]) -> int:
    """The position of the device that holds most of a request's images, unless it has much to do.

    A request that would wait there for longer than it takes to encode these images again goes to
    the device with the least to do; so does one whose images no device holds.

    Args:
        loads: of all devices, at least one; those that do not work are taken if none does.
    """
    usable = [i for i, each in enumerate(loads) if each.works] or range(len(loads))
    idle = min(usable, key=lambda i: loads[i].waiting)

    def saved(i: int) -> int:
        """Items that need not be waited for, on balance."""
        return _ITEMS_OF_ENCODING * loads[i].held - (loads[i].waiting - loads[idle].waiting)

    best = max(usable, key=saved)
    return best if saved(best) > 0 else idle
