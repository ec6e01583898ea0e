"""`fss segment`."""

import glob
import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.choices import (
    Absent,
    FormatName,
    Formats,
    InstancesChoice,
    MinArea,
    Mode,
    SegmentationChoice,
    ThresholdText,
    Url,
    chosen,
    threshold_of,
)
from service.cli.class_names import class_name
from service.cli.failure import FAILED, USAGE, CommandError, client_errors_as_messages
from service.cli.left_out import results_in, written_images
from service.cli.renamed import note_renamed
from service.cli.skipped import note_skipped
from service.cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from service.client import ClientError, ImageLike, Segmentation
    from service.formats import LabelledImage


def segment(
    images: Annotated[list[str], typer.Argument(help="Files, folders or patterns.")],
    session: Annotated[str, typer.Option(help="As `fss register` printed it.")],
    out: Annotated[Path, typer.Option(help="Folder for the results; made if it is not there.")],
    formats: Formats = [FormatName.PNG],  # noqa: B006 - typer copies it
    classes: Annotated[
        list[str] | None, typer.Option("--class", help="A class; repeat. None: all.")
    ] = None,
    mode: Mode = "auto",
    threshold: ThresholdText = None,
    absent: Absent = "drop",
    instances: InstancesChoice = "component",
    segmentation: SegmentationChoice = "rle",
    min_area: MinArea = 0,
    url: Url = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print scores, a line an image.")] = False,
) -> None:
    """Find a session's classes in images, by a running service.

    Writes label maps to out/masks/labels, coco.json, yolo/ or geojson/. In a label map 0 is the
    background and i the i-th class of classes.csv, which are those of the session in their order.

    \b
    fss segment photos/*.jpg --session ID --out labels/ --format coco

    An API key is taken from FSS_CLIENT_KEY. Images that cannot be processed are listed, and the
    exit status is 1.
    """  # noqa: D301 - click's mark for lines that stay as they are
    from service.cli.earlier_coco import SegmentedFolder
    from service.cli.used_folder import require_same_classes
    from service.client import Client
    from service.formats import ExportOptions, export_dataset

    paths, probability, kinds = _files(images, out), threshold_of(threshold), chosen(formats)
    wanted = [class_name(each) for each in classes or ()]
    run = _Run(paths, as_json=as_json)
    folder = SegmentedFolder(out, run.lost)
    if "coco" in kinds:
        with client_errors_as_messages():
            folder.require_no_others(paths.values())
    with client_errors_as_messages(out), Client(url) as client:
        target = client.session(session)
        # All of them: a class has the number that it has without --class.
        known = [each.class_name for each in target.describe().classes]
        require_same_classes(out, known, kinds)
        answers = target.segment_many(
            list(paths),
            classes=wanted,
            threshold=probability,
            absent=absent,
            mode=mode,
            on_failure=run.note,
            progress=sys.stderr.isatty(),
        )
        written_as = ExportOptions(instances, segmentation, min_area)
        renamed = export_dataset(run.labelled(answers), known, kinds, folder, written_as)
    note_renamed(renamed, kinds)
    run.sum_up(out, kept_coco=folder.kept_coco)


class _Run:
    """What became of the images.

    Args:
        paths: each image, and its name in the results.
        as_json: print scores as they come.
    """

    def __init__(self, paths: dict[Path, str], *, as_json: bool) -> None:
        self._paths = paths
        self._as_json = as_json
        self._done: set[str] = set()
        self._problems: list[str] = []
        self._ended_by: ClientError | None = None

    def note(self, image: "ImageLike", error: "ClientError") -> None:
        """An image cannot be processed."""
        self._problems.append(error.told_of(str(image)))

    def labelled(
        self, answers: "Iterable[tuple[ImageLike, Segmentation]]"
    ) -> "Iterator[LabelledImage]":
        """The images as they come; they end where the service does, and what came is kept."""
        from service.client import ClientError
        from service.formats import LabelledImage

        try:
            for path, answer in answers:
                if self._as_json:
                    scores = [each.model_dump(exclude={"mask"}) for each in answer.wire.classes]
                    print(json.dumps({"image": str(path), "classes": scores}))
                name = self._paths[path]  # type: ignore[index]
                self._done.add(name)
                yield LabelledImage.from_result(name, answer.wire)
        except ClientError as exc:
            if not self._done:
                raise
            self._ended_by = exc

    def lost(self, earlier: "Collection[str]") -> "Collection[str]":
        """The images of an earlier run that have no result of this one."""
        return set(earlier) - self._done

    def sum_up(self, out: Path, *, kept_coco: bool) -> None:
        """Say where the results are; fail if an image has none.

        Args:
            out: folder of the results.
            kept_coco: `coco.json` is still that of an earlier run.

        Raises:
            CommandError.
        """
        lines, count = list(self._problems), len(self._paths)
        if lines:
            lines.append(f"{len(lines)} of {count} failed")
        if self._ended_by is not None:
            lines.append(str(self._ended_by))
            lines.append(f"{len(self._done)} of {count} images are done, and written")
        if kept_coco:
            lines.append("coco.json was left as it was: it holds images that are not done now")
        if lines:
            raise CommandError("\n".join(lines), FAILED)
        print(f"{counted(count, 'image')} segmented; results are in {out}", file=sys.stderr)


def _files(patterns: list[str], out: Path) -> dict[Path, str]:
    """Each image, and its name in the results: below the folder given, with slashes.

    Results of an earlier run are no images, and neither is what is hidden in a folder.
    """
    from service.image_files import files_of, is_broken_link, shown_name
    from service.schemas import IMAGE_KINDS

    written = {each.resolve() for each in written_images(out)}
    found: dict[Path, str] = {}
    for pattern in patterns:
        path = Path(pattern)
        if path.is_dir():
            with client_errors_as_messages():
                images, others, linked = files_of(path, without=results_in(path, out))
            note_skipped(others, linked)
            names = {each: shown_name(each.relative_to(path)) for each in images}
        elif path.exists() or is_broken_link(path):
            names = {path: shown_name(Path(path.name))}
        else:
            matches = map(Path, sorted(glob.glob(pattern, recursive=True)))  # noqa: PTH207 - any root
            images = [
                each
                for each in matches
                if is_broken_link(each)
                or (each.is_file() and written.isdisjoint(each.resolve().parents))
            ]
            names = {each: shown_name(Path(each.name)) for each in images}
        if not names:
            raise CommandError(f"no image at {pattern} ({IMAGE_KINDS})", USAGE)
        found.update(names)
    if len(set(found.values())) < len(found):
        twice = next(name for name, count in Counter(found.values()).items() if count > 1)
        raise CommandError(
            f"two images are called {twice}; give them in two commands, with two --out",
            USAGE,
        )
    return found
