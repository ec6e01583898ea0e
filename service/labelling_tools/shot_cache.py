"""Shots that were learned from annotations before, each as a class of its own."""

from collections import OrderedDict
from typing import NamedTuple

from model.contract import SupportSet

_KEY_BYTES = 1024  # about what a key takes with its place in the cache


class ShotKey(NamedTuple):
    """What a shot is learned from: a label of an annotation as it was, as one control draws it."""

    model: str
    annotation: int
    updated_at: str
    control: str
    label: str


class ShotCache:
    """The shots used last; None for a key from which there is nothing to learn.

    Args:
        max_bytes: of all keys and shots together.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._shots: OrderedDict[ShotKey, SupportSet | None] = OrderedDict()
        self._bytes = 0

    def __contains__(self, key: ShotKey) -> bool:
        return key in self._shots

    def get(self, key: ShotKey) -> SupportSet | None:
        """The shot of a key, if there is one; it then counts as used."""
        if key in self._shots:
            self._shots.move_to_end(key)
        return self._shots.get(key)

    def add(self, key: ShotKey, shot: SupportSet | None) -> None:
        """Remember a shot, or that there is none; the least used are forgotten."""
        if key in self._shots:
            self._bytes -= _nbytes(self._shots.pop(key))
        self._shots[key] = shot
        self._bytes += _nbytes(shot)
        while self._bytes > self._max_bytes:
            _, oldest = self._shots.popitem(last=False)
            self._bytes -= _nbytes(oldest)


def _nbytes(shot: SupportSet | None) -> int:
    return _KEY_BYTES + (0 if shot is None else shot.nbytes)
