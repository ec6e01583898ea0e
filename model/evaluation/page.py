"""The results page: every recorded evaluation in Markdown, with the command that made it."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from model.evaluation.entries import Entry, entries_of
from model.evaluation.published import published_rows
from model.evaluation.records import Evaluation, RecordError, Subject
from model.evaluation.tables import (
    absence_table,
    class_tables,
    fold_table,
    generalised_table,
    set_table,
)

_HEAD = """# Results

Written by `{command}` from recorded evaluations; do not edit.

IoU in percent. A figure with ± is the mean and the sample standard deviation over the seeds of the
episode lists. Lists have 1,000 episodes and pixels of label 255 count on neither side, unless the
row says otherwise. FB-IoU is the mean over the folds that are there. Numbers in brackets point to
the command that made a row. A star marks tested classes that training did not leave out by name.
A double dagger marks a mean over folds whose networks were not trained alike, as far as that is
recorded: their recipes differ, or the numbers of their episodes by more than a tenth."""

_ABSENCE = """A share of the queries lacks the class and holds another one. AUROC judges the
presence score; the gate empties a prediction whose score is below the threshold, which was chosen
on other classes. Absent queries count: every pixel predicted in them adds to the union. Most of
them are images of classes that the network was trained on, which it may have seen; "of unseen" is
the AUROC against those absent queries alone that show a class which training left out with all of
its images."""

_GENERALISED = """Every class of the set, base and novel, is registered with K supports, and whole
label maps are compared: the best class of each pixel, or background below the threshold. A section
sign marks figures of base classes on a set that the network was also trained on: images of it
without a novel class may have been in training, as queries here and as supports."""

_SETS = (
    """Every class of the set is tested. Without a star the network was trained on other sets."""
)


def results_page(evaluations: Mapping[str, Evaluation], command: str) -> str:
    """The page, from records by file name and the command that writes it.

    Raises:
        RecordError: two files record the same list, or one is empty.
    """
    entries = _numbered(evaluations)
    plain = _of(entries, "episodes")
    folds = [entry for entry in plain if entry.result.fold is not None]
    parts = [_HEAD.format(command=command)]
    for data in dict.fromkeys(entry.data for entry in folds):
        parts += _benchmark(data, [entry for entry in folds if entry.data == data])
    sets = [entry for entry in plain if entry.result.fold is None]
    parts += _section("Other sets", _SETS, sets, set_table)
    parts += _section("Absent classes", _ABSENCE, _of(entries, "absence"), absence_table)
    parts += _section(
        "Generalised few-shot", _GENERALISED, _of(entries, "generalised"), generalised_table
    )
    parts += ["## How each was made", *_sources(evaluations.values())]
    return "\n\n".join(parts) + "\n"


def _numbered(evaluations: Mapping[str, Evaluation]) -> list[Entry]:
    files: dict[tuple[object, ...], str] = {}
    weights: dict[tuple[object, ...], dict[str, str]] = {}
    entries = []
    for number, (file, evaluation) in enumerate(evaluations.items(), start=1):
        if not evaluation.results:
            raise RecordError(f"{file} has no result yet: let its evaluation end its first list")
        for entry in entries_of(evaluation, number):
            report = entry.result.report
            key = (
                entry.data, entry.network, report.kind, entry.result.fold, report.shots, report.seed
            )  # fmt: skip
            if key in files:
                raise RecordError(
                    f"{files[key]} and {file} both record {entry.network} on {entry.data}, "
                    f"fold {entry.result.fold}, {report.shots}-shot, seed {report.seed}: keep one, "
                    "or evaluate the other with --name"
                )
            files[key] = file
            # Folds are of networks of their own; lists of one fold that make one row are not.
            row = (entry.data, entry.network, report.kind, entry.result.fold)
            if weights.setdefault(row, evaluation.subject.sha256) != evaluation.subject.sha256:
                raise RecordError(
                    f"{file} records {entry.network} on {entry.data} with other weights than the "
                    "rest of its row: evaluate with --name"
                )
            entries.append(entry)
    return entries


def _of(entries: Sequence[Entry], kind: str) -> list[Entry]:
    return [entry for entry in entries if entry.result.report.kind == kind]


def _benchmark(data: str, entries: Sequence[Entry]) -> list[str]:
    parts = [f"## {data}"]
    for shots in sorted({entry.result.report.shots for entry in entries}):
        parts += [f"### {shots}-shot", fold_table(entries, shots, published_rows(data, shots))]
    return [*parts, "### Classes", *class_tables(entries)]


def _section(
    title: str, text: str, entries: Sequence[Entry], table: Callable[[Sequence[Entry]], str]
) -> list[str]:
    return [f"## {title}", text, table(entries)] if entries else []


def _sources(evaluations: Iterable[Evaluation]) -> list[str]:
    return [_source(number, found) for number, found in enumerate(evaluations, start=1)]


def _source(number: int, evaluation: Evaluation) -> str:
    """A numbered item: the command, then what was evaluated and what it was trained on."""
    subject, protocol = evaluation.subject, evaluation.protocol
    hashes = ", ".join(f"{part} `{digest[:12]}`" for part, digest in subject.sha256.items())
    trained = ", ".join(subject.trained_on) or "not recorded"
    excluded = ", ".join(subject.excluded_classes) or "none"
    indent = " " * len(f"{number}. ")
    lines = [
        f"{number}. ```bash",
        f"{indent}{evaluation.command}",
        f"{indent}```",
        "",
        f"{indent}{subject.kind.capitalize()} {subject.name} ({subject.preset}; SHA-256 {hashes}), "
        f"on {protocol.data} ({protocol.images} images).",
        f"{indent}Not trained on any of the sets: ImageNet weights alone."
        if subject.kind == "baseline"
        else f"{indent}Trained on: {trained}.{_length(subject)} Classes left out of all of them: "
        f"{excluded}.",
    ]
    return "\n".join(lines)


def _length(subject: Subject) -> str:
    """How long a network was trained, in a sentence; nothing where that is not recorded."""
    if subject.episodes is None:
        return ""
    minutes = "" if subject.minutes is None else f", {subject.minutes:.0f} minutes"
    return f" Trained for {subject.episodes:,} episodes{minutes}."
