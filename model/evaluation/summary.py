"""The figures of one evaluation, for the terminal."""

from model.evaluation.entries import entries_of
from model.evaluation.records import Evaluation
from model.evaluation.tables import (
    OF_TRAINING,
    absence_table,
    class_tables,
    fold_table,
    generalised_table,
    set_table,
)


def summary(evaluation: Evaluation) -> str:
    """Tables of everything that was run; an evaluation has results of one kind alone."""
    entries = entries_of(evaluation)
    report = entries[0].result.report
    if report.kind == "absence":
        tables = [absence_table(entries)]
    elif report.kind == "generalised":
        tables = [generalised_table(entries)]
    elif entries[0].result.fold is None:
        tables = [set_table(entries)]
    else:
        shots = dict.fromkeys(entry.result.report.shots for entry in entries)
        tables = [f"{k}-shot mIoU\n\n{fold_table(entries, k)}" for k in shots]
    lists = f"{len(entries)} lists, {sum(entry.result.seconds for entry in entries):.0f} s"
    seen = (
        ["* classes that training did not leave out by name"]
        if any(e.result.seen for e in entries)
        else []
    )
    of_training = (
        [f"{OF_TRAINING} on images some of which may have been in training"]
        if any(OF_TRAINING in table for table in tables)
        else []
    )
    return "\n\n".join([*tables, *class_tables(entries), *seen, *of_training, lists])
