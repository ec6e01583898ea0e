"""Counts and lists as messages show them."""

from collections.abc import Collection
from itertools import islice

_MOST_LISTED = 5


def counted(number: int, noun: str) -> str:
    """Such as `1 shot` and `2 shots`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def listed(names: Collection[str]) -> str:
    """The first few of them, and how many more there are."""
    shown = ", ".join(islice(names, _MOST_LISTED))
    more = len(names) - _MOST_LISTED
    return f"{shown} and {more} more" if more > 0 else shown
