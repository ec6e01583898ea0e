"""Lists of recorded evaluations, and how they are put together into rows."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from model.data.episodes import MIN_AREA
from model.evaluation.generalised import GeneralisedReport
from model.evaluation.records import Evaluation, Result
from model.evaluation.segmenter import DEFAULT_THRESHOLD

_USUAL_EPISODES = 1000


class Entry(NamedTuple):
    """One list of one evaluation; `source` is the number of the command that made it."""

    evaluation: Evaluation
    result: Result
    source: int | None = None

    @property
    def data(self) -> str:
        """The set."""
        return self.evaluation.protocol.data

    @property
    def network(self) -> str:
        """The name of what was tested, with every setting that is not the usual one."""
        protocol, subject = self.evaluation.protocol, self.evaluation.subject
        tier = "" if subject.precision == "fp32" else f" {subject.precision}"
        parts = [f"{subject.name}{tier}, {subject.input_side} px", protocol.settings]
        report = self.result.report
        if isinstance(report, GeneralisedReport) and report.images < protocol.episodes:
            # Not their number, which differs from seed to seed: one row has several.
            parts.append("every image but the supports")
        elif protocol.episodes != _USUAL_EPISODES:
            parts.append(f"{protocol.episodes} episodes")
        if protocol.threshold != DEFAULT_THRESHOLD:
            parts.append(f"threshold {protocol.threshold:g}")
        if protocol.min_area != MIN_AREA:
            parts.append(f"from {protocol.min_area} pixels on")
        return "; ".join(part for part in parts if part)


def entries_of(evaluation: Evaluation, source: int | None = None) -> list[Entry]:
    """Every list of an evaluation."""
    return [Entry(evaluation, result, source) for result in evaluation.results]


def by_network(entries: Iterable[Entry], shots: int | None = None) -> Mapping[str, list[Entry]]:
    """Entries, or those of K shots, by network with its command numbers, in their order."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        if shots in (None, entry.result.report.shots):
            groups.setdefault(entry.network, []).append(entry)
    return {network + _references(found): found for network, found in groups.items()}


def _references(entries: Iterable[Entry]) -> str:
    sources = sorted({entry.source for entry in entries if entry.source is not None})
    return f" [{', '.join(map(str, sources))}]" if sources else ""


def by_set(entries: Sequence[Entry]) -> Iterable[tuple[tuple[str, int], list[Entry]]]:
    """Entries by set and number of shots, both in ascending order."""

    def key(entry: Entry) -> tuple[str, int]:
        return entry.data, entry.result.report.shots

    return [(k, list(found)) for k, found in groupby(sorted(entries, key=key), key)]


def by_network_and_fold(
    entries: Sequence[Entry],
) -> Iterable[tuple[tuple[str, int | None], list[Entry]]]:
    """Entries by network and fold, in their order."""
    for network, found in by_network(entries).items():
        for fold in dict.fromkeys(entry.result.fold for entry in found):
            yield (network, fold), [entry for entry in found if entry.result.fold == fold]
