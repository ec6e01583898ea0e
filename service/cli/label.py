"""`fss label`."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    ThresholdText,
    chosen,
    threshold_of,
)
from service.cli.failure import USAGE, CommandError
from service.cli.label_notes import note, say_shots, say_what_is_there, sum_up
from service.cli.left_out import results_in
from service.cli.quiet import quiet_engine
from service.cli.skipped import note_skipped

if TYPE_CHECKING:
    from service.engine import Engine
    from service.offline import ImageFile, LabelOptions, Ledger
    from service.offline.options import Supports
    from service.settings import Settings

SHEET = "contact-sheet.html"
_STATE = ".fss-label"


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
    min_area: MinArea = 0,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Look in the folders inside, too.")
    ] = False,
) -> None:
    """Label a folder of images without a server, in one command.

    Writes masks or annotations, and contact-sheet.html to look through, the least sure first. A run
    that was stopped goes on where it was: images that changed are done again, and with other
    supports or options all are. What there is to warn of the supports is on the sheet, too. What
    cannot be read is named at the end; the exit status is 1 then.

    \b
    fss label photos/ --support supports/ --out labels/ --format coco --format yolo

    FSS_DEVICES, FSS_PRECISION, FSS_BUNDLE and their like say what it runs on.
    """  # noqa: D301 - click's mark for lines that stay as they are
    from service.cli.serve import startup_errors_as_messages
    from service.cli.support_folder import read_supports
    from service.environment import read_settings
    from service.formats import ExportOptions
    from service.offline import (
        LabelOptions,
        Ledger,
        claim,
        export_results,
        find_images,
        kept_warnings,
        offline_engine,
        run_identity,
    )

    quiet_engine()
    with startup_errors_as_messages():
        settings = read_settings()
        engine = offline_engine(settings)
    options = LabelOptions(threshold_of(threshold), mode, absent, ADAPT[adapt])
    shown, state = read_supports(support), out / _STATE
    note(*shown.doubts)
    supports = shown.files()
    with _run_errors_as_messages(out):
        without = _no_images(folder, support, out)
        images, others = find_images(folder, recursive=recursive, without=without)
        note_skipped(others)
        claim(state, folder)
        say_shots(supports)
        identity = run_identity(engine, supports, options, settings)
        with Ledger(state / "ledger.jsonl", identity) as ledger:
            say_what_is_there(ledger, images)
            left = [image for image in images if not ledger.has(image)]
            if left:
                run = _label(settings, engine, supports, options, ledger, left, len(images), state)
                asyncio.run(run)
            warnings = kept_warnings(state, identity)
            if not left:  # nobody has told them
                note(*warnings)
            written_as = ExportOptions(instances, min_area=min_area)
            export_results(ledger, images, list(supports), chosen(formats), out, state, written_as)
            _lay_out(ledger, images, list(supports), folder, engine, out, warnings)
            sum_up(ledger, images, out / SHEET)


@contextmanager
def _run_errors_as_messages(out: Path) -> Iterator[None]:
    """Raise `CommandError` for the errors that end a run."""
    from service.image_files import UnusableInputError
    from service.offline import OfflineError

    try:
        yield
    except (OfflineError, UnusableInputError) as exc:
        raise CommandError(str(exc), USAGE) from exc
    except OSError as exc:
        raise CommandError(f"{exc.filename or out}: {exc.strerror}") from exc


async def _label(
    settings: "Settings",
    engine: "Engine",
    supports: "Supports",
    options: "LabelOptions",
    ledger: "Ledger",
    left: "list[ImageFile]",
    total: int,
    state: Path,
) -> None:
    from service.client.progress import progress_bar
    from service.offline import (
        images_at_once,
        keep_warnings,
        label_images,
        register_supports,
        running_engine,
    )

    async with running_engine(settings, engine) as resources:
        session_id, warnings = await register_supports(resources, supports, options)
        note(*warnings)
        keep_warnings(state, ledger.identity, warnings)
        shown = sys.stderr.isatty()
        with progress_bar("label", total, done=total - len(left), shown=shown) as advance:
            await label_images(
                resources,
                left,
                session_id,
                options,
                ledger,
                at_once=images_at_once(settings, engine),
                done=advance,
            )


def _no_images(folder: Path, support: Path, out: Path) -> set[Path]:
    """Paths in the folder that are not to be labelled: results, supports, masks of supports."""
    from service.cli.support_folder import masks_in

    inside = folder.resolve() in support.resolve().parents
    return results_in(folder, out) | ({support} if inside else set(masks_in(support)))


def _lay_out(
    ledger: "Ledger",
    images: "list[ImageFile]",
    classes: list[str],
    folder: Path,
    engine: "Engine",
    out: Path,
    warnings: list[str],
) -> None:
    from service.image_files import shown_name
    from service.offline import write_sheet

    write_sheet(
        out / SHEET,
        ledger,
        images,
        classes,
        title=shown_name(Path(folder.resolve().name)),
        presence_threshold=engine.manifest.presence_threshold,
        warnings=warnings,
    )
