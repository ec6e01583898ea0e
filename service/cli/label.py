"""`fss label`."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from service.cli.choices import (
    ADAPT,
    Absent,
    AdaptChoice,
    FormatName,
    Formats,
    InstancesChoice,
    MinArea,
    Mode,
    SegmentationChoice,
    ThresholdText,
    chosen,
    threshold_of,
)
from service.cli.failure import FAILED, USAGE, CommandError
from service.cli.label_notes import note, say_kept, say_shots, say_what_is_there, sum_up
from service.cli.left_out import results_in
from service.cli.quiet import quiet_engine
from service.cli.renamed import note_renamed
from service.cli.skipped import note_skipped


def label(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The images to label.")],
    support: Annotated[
        Path,
        typer.Option(help="A folder of a.jpg and a.CLASS.png; or images/, labels/, classes.csv."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the results; made if it is not there.")],
    formats: Formats = [FormatName.PNG, FormatName.COCO],  # noqa: B006 - typer copies it
    mode: Mode = "auto",
    threshold: ThresholdText = None,
    adapt: AdaptChoice = "auto",
    absent: Absent = "drop",
    instances: InstancesChoice = "component",
    segmentation: SegmentationChoice = "rle",
    min_area: MinArea = 0,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Look in the folders inside, too.")
    ] = False,
) -> None:
    """Label a folder of images without a server, in one command.

    Writes masks or annotations, and contact-sheet.html to look through, the least sure first. A run
    that was stopped goes on where it was: images that changed are done again, and with other
    supports or options all are. Results that you have corrected by hand stay as they are. What
    there is to warn of the supports is on the sheet, too. What cannot be read is named at the end;
    the exit status is 1 then.

    \b
    fss label photos/ --support supports/ --out labels/ --format coco --format yolo

    FSS_DEVICES, FSS_PRECISION, FSS_BUNDLE and their like say what it runs on.
    """  # noqa: D301 - click's mark for lines that stay as they are
    from service.cli.serve import startup_errors_as_messages
    from service.cli.support_folder import read_supports
    from service.environment import read_settings
    from service.formats import ExportOptions
    from service.offline import LabelInputs, LabelOptions, LabelRun, find_images, offline_engine

    quiet_engine()
    with startup_errors_as_messages():
        settings = read_settings()
        engine = offline_engine(settings)
    options = LabelOptions(threshold_of(threshold), mode, absent, ADAPT[adapt])
    shown = read_supports(support)
    note(*shown.doubts, *shown.renumbered(shown.shots))
    supports = shown.files()
    with _run_errors_as_messages(out):
        without = _no_images(folder, support, out)
        images, others, linked = find_images(folder, recursive=recursive, without=without)
        note_skipped(others, linked)
        say_shots(supports)
        inputs = LabelInputs(folder, images, supports, options)
        with LabelRun.begin(inputs, out, engine, settings) as run:
            say_what_is_there(run.ledger, images)
            asyncio.run(run.label_missing(note, progress=sys.stderr.isatty()))
            kinds = chosen(formats)
            written = run.export(kinds, ExportOptions(instances, segmentation, min_area))
            run.write_sheet()
            note_renamed(written.renamed, kinds)
            say_kept(written.kept)
            sum_up(run.ledger, images, run.sheet)


@contextmanager
def _run_errors_as_messages(out: Path) -> Iterator[None]:
    """Raise `CommandError` for the errors that end a run."""
    from service.image_files import UnusableInputError
    from service.offline import OfflineError, RunFailedError

    try:
        yield
    except RunFailedError as exc:
        raise CommandError(str(exc), FAILED) from exc
    except (OfflineError, UnusableInputError) as exc:
        raise CommandError(str(exc), USAGE) from exc
    except OSError as exc:
        raise CommandError(f"{exc.filename or out}: {exc.strerror}") from exc


def _no_images(folder: Path, support: Path, out: Path) -> set[Path]:
    """Paths in the folder that are not to be labelled: results, supports, masks of supports."""
    from service.cli.support_folder import masks_in

    inside = folder.resolve() in support.resolve().parents
    return results_in(folder, out) | ({support} if inside else set(masks_in(support)))
