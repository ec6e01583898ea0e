"""Warnings that follow from a registration, for people, who know shots by the names of files."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from service.client.batches import Shots
from service.client.files import shown_name
from service.schemas import ReportCard, SupportResponse, WarningCode

_PLACE = re.compile(r"(shots|images|masks)\[(\d+)\]")
# What the service says of a mask as it reads the file, it says in a report in other words.
_OF_MASKS: frozenset[WarningCode] = frozenset({"nearly_empty_mask", "nearly_full_mask"})


class Registered(NamedTuple):
    """A request that registered shots of a class, and its response."""

    shots: Shots
    response: SupportResponse

    @property
    def first(self) -> int:
        """The number that the first of its shots has in the class."""
        return self.response.shots - len(self.shots.images)

    def own_warnings(self) -> list[str]:
        """What the response warns of, except what its report says too."""
        report, texts = self.response.report, self.response.warnings
        return [text for text in texts if report is None or not self._is_in(report, text)]

    def _is_in(self, report: ReportCard, text: str) -> bool:
        place = _PLACE.match(text)
        mask = _shot(place, self.first) if place and place[1] == "masks" else None
        return any(
            each.message == text or (each.code in _OF_MASKS and each.shot == mask)
            for each in report.warnings
        )


def advice(requests: Sequence[Registered]) -> list[str]:
    """Warnings, each once, and a suggestion; empty if there are none.

    Args:
        requests: all that registered the class, in order; the report of the last covers its shots.
    """
    report, names = requests[-1].response.report, _names(requests)
    own = [_named(text, names, each.first) for each in requests for text in each.own_warnings()]
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
    return _PLACE.sub(lambda place: names.get(_shot(place, first), place[0]), text)


def _shot(place: re.Match[str], first: int) -> int:
    """The number in the class of a shot; files are counted from the first of the request."""
    return int(place[2]) + (0 if place[1] == "shots" else first)
