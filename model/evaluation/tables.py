"""Recorded evaluations as Markdown tables, the same on the terminal and on the results page."""

from collections.abc import Iterable, Sequence
from itertools import combinations
from statistics import fmean, stdev
from typing import Literal

from model.data.folds import FOLDS
from model.evaluation.absence import AbsenceReport
from model.evaluation.entries import Entry, by_network, by_network_and_fold, by_set
from model.evaluation.episodes import EpisodeReport
from model.evaluation.generalised import GeneralisedReport

NONE = "-"
UNLIKE = "‡"  # a mean over networks that were not trained alike
OF_TRAINING = "§"  # on images some of which may have been in training
_CLASSES_A_TABLE = 10


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, padded so that its source reads as a table too."""
    # A name may hold what parts the cells.
    lines = [[cell.replace("|", r"\|") for cell in line] for line in (header, *rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    padded = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([padded[0], rule, *padded[1:]])


def spread(values: Sequence[float], digits: int = 1, sign: Literal["", "+"] = "") -> str:
    """Mean, with `+` signed, and from two values on ± their sample standard deviation."""
    mean = f"{fmean(values):{sign}.{digits}f}"
    return mean if len(values) < 2 else f"{mean} ± {stdev(values):.{digits}f}"


def fold_table(
    entries: Sequence[Entry], shots: int, published: Iterable[Sequence[str]] = ()
) -> str:
    """The mIoU of each fold and their mean, a row for each network, then published rows."""
    rows = [
        _fold_row(network, found) for network, found in by_network(entries, shots=shots).items()
    ]
    header = ["network", *(f"fold {fold}" for fold in range(FOLDS)), "mean", "FB-IoU"]
    return markdown_table(header, [*rows, *published])


def _fold_row(network: str, entries: Sequence[Entry]) -> list[str]:
    by_fold: dict[int | None, dict[int, EpisodeReport]] = {}
    for entry in entries:
        report = entry.result.report
        assert isinstance(report, EpisodeReport)  # noqa: S101  (the caller's choice of entries)
        by_fold.setdefault(entry.result.fold, {})[report.seed] = report
    cells = [
        _marked([report.mean_iou for report in by_fold[fold].values()], entries, fold)
        if fold in by_fold
        else NONE
        for fold in range(FOLDS)
    ]
    lists = [by_fold[fold] for fold in range(FOLDS) if fold in by_fold]
    seeds = sorted(set(lists[0]).intersection(*lists))  # a mean needs the seed in every fold
    means = [fmean(reports[seed].mean_iou for reports in lists) for seed in seeds]
    fb_means = [fmean(reports[seed].fb_iou for reports in lists) for seed in seeds]
    mark = "" if _trained_alike(entries) else UNLIKE
    mean = spread(means) + mark if seeds and len(lists) == FOLDS else NONE
    return [network, *cells, mean, spread(fb_means) + mark if seeds else NONE]


def _trained_alike(entries: Sequence[Entry]) -> bool:
    subjects = [entry.evaluation.subject for entry in entries]
    return all(one.trained_as(other) for one, other in combinations(subjects, 2))


def set_table(entries: Sequence[Entry]) -> str:
    """The mIoU and FB-IoU of lists over every class of a set."""
    rows = []
    for (data, shots), found in by_set(entries):
        for network, same in by_network(found).items():
            reports = [e.result.report for e in same if isinstance(e.result.report, EpisodeReport)]
            rows.append(
                [
                    data,
                    network,
                    str(len(reports[0].class_iou)),
                    str(shots),
                    _marked([report.mean_iou for report in reports], same, None),
                    spread([report.fb_iou for report in reports]),
                ]
            )
    return markdown_table(["set", "network", "classes", "shots", "mIoU", "FB-IoU"], rows)


def class_tables(entries: Sequence[Entry]) -> list[str]:
    """IoU of each class, a row for each network and number of shots, ten classes at most a table.

    Lists of one fold of a set share tables, in the order of the folds. A short list may lack a
    class that another has.
    """
    groups: dict[tuple[str, int | None], list[Entry]] = {}
    for entry in sorted(entries, key=lambda e: -1 if e.result.fold is None else e.result.fold):
        groups.setdefault((entry.data, entry.result.fold), []).append(entry)
    return [
        _class_table(found, classes[first : first + _CLASSES_A_TABLE])
        for found in groups.values()
        for classes in [list(dict.fromkeys(c for e in found for c in e.result.report.class_iou))]
        for first in range(0, len(classes), _CLASSES_A_TABLE)
    ]


def _class_table(entries: Sequence[Entry], classes: Sequence[str]) -> str:
    rows = []
    for network, same in by_network(entries).items():
        for shots in sorted({entry.result.report.shots for entry in same}):
            lists = [e.result.report.class_iou for e in same if e.result.report.shots == shots]
            cells = [_optional([ious.get(name) for ious in lists]) for name in classes]
            rows.append([network, str(shots), *cells])
    return markdown_table(["network", "shots", *classes], rows)


def absence_table(entries: Sequence[Entry]) -> str:
    """AUROC of the presence score, and mIoU without and with the gate."""
    rows = []
    for (data, shots), found in by_set(entries):
        for (network, fold), same in by_network_and_fold(found):
            reports = [e.result.report for e in same if isinstance(e.result.report, AbsenceReport)]
            rows.append(
                [
                    _place(data, fold),
                    network,
                    str(shots),
                    spread([report.absent for report in reports]),
                    _marked([report.auroc for report in reports], same, fold, digits=3),
                    _optional([report.auroc_unseen for report in reports], digits=3),
                    spread([report.mean_iou for report in reports]),
                    _optional([report.gated_mean_iou for report in reports]),
                    _optional([report.present_kept for report in reports]),
                    _optional([report.absent_emptied for report in reports]),
                    _optional([report.presence_threshold for report in reports], digits=3),
                ]
            )
    header = ["tested on", "network", "shots", "absent, %", "AUROC", "of unseen", "mIoU"]
    return markdown_table(
        [*header, "mIoU gated", "present kept, %", "absent emptied, %", "threshold"], rows
    )


def generalised_table(entries: Sequence[Entry]) -> str:
    """Base, novel and harmonic mIoU of whole label maps.

    Images of base classes alone may have been in training: one that shows a novel class, if it was
    left out by name, was left out with it.
    """
    rows = []
    for (data, shots), found in by_set(entries):
        for (network, fold), same in by_network_and_fold(found):
            reports = [
                e.result.report for e in same if isinstance(e.result.report, GeneralisedReport)
            ]
            shared = any(entry.evaluation.subject.shares_images(data) for entry in same)
            mark = OF_TRAINING if shared else ""
            rows.append(
                [
                    _place(data, fold),
                    network,
                    str(shots),
                    spread([report.base_iou for report in reports]) + mark,
                    _marked([report.novel_iou for report in reports], same, fold),
                    spread([report.harmonic_iou for report in reports]) + mark,
                    spread([report.background_iou for report in reports]),
                ]
            )
    header = ["tested on", "network", "shots", "base", "novel", "harmonic", "background"]
    return markdown_table(header, rows)


def _marked(
    values: Sequence[float], entries: Sequence[Entry], fold: int | None, digits: int = 1
) -> str:
    """A figure, with a star if any of its lists asks for classes seen in training."""
    seen = any(entry.result.seen for entry in entries if entry.result.fold == fold)
    return spread(values, digits) + ("*" if seen else "")


def _optional(values: Sequence[float | None], digits: int = 1) -> str:
    given = [value for value in values if value is not None]
    return spread(given, digits) if given else NONE


def _place(data: str, fold: int | None) -> str:
    return data if fold is None else f"{data}, fold {fold}"
