"""Warnings that follow from a registration, for people, who know shots by the names of files."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from service.image_files import Shots, shown_name
from service.schemas import SupportResponse

_PLACE = re.compile(r"(shots|images|masks)\[(\d+)\]")


class Registered(NamedTuple):
    """A request that registered shots of a class, and its response."""

    shots: Shots
    response: SupportResponse

    @property
    def first(self) -> int:
        """The number that the first of its shots has in the class."""
        return self.response.shots - len(self.shots.images)

    def own_warnings(self, names: Mapping[int, str]) -> list[str]:
        """What the response warns of, except what its report says too, which has the same words."""
        report = self.response.report
        said = {_named(each.message, names) for each in report.warnings} if report else set()
        texts = [_named(text, names, self.first) for text in self.response.warnings]
        return [text for text in texts if text not in said]


def advice(requests: Sequence[Registered]) -> list[str]:
    """Warnings, each once, and a suggestion; empty if there are none.

    Args:
        requests: all that registered the class, in order; the report of the last covers its shots.
    """
    report, names = requests[-1].response.report, _names(requests)
    own = [text for each in requests for text in each.own_warnings(names)]
    if report is None or not report.warnings:
        return own
    judged = [_named(each.message, names) for each in report.warnings]
    return [*judged, *own, _named(report.suggestion, names)]


def _names(requests: Sequence[Registered]) -> dict[int, str]:
    """The file of each shot by its number in the class; none of shots registered before."""
    paths = {
        each.first + position: Path(image)
        for each in requests
        for position, image in enumerate(each.shots.images)
        if isinstance(image, str | os.PathLike)
    }
    # Folders say nothing where all shots lie in one.
    short = len({path.name for path in paths.values()}) == len(set(paths.values()))
    return {
        number: shown_name(Path(path.name) if short else path) for number, path in paths.items()
    }


def _named(text: str, names: Mapping[int, str], first: int = 0) -> str:
    """The text with files for shots, or numbers in the class of those that have none.

    Files of the request are counted from its `first` shot.
    """

    def name(place: re.Match[str]) -> str:
        number = int(place[2]) + (0 if place[1] == "shots" else first)
        return names.get(number, f"shots[{number}]")

    return _PLACE.sub(name, text)
