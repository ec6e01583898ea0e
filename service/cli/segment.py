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
    Mode,
    ThresholdText,
    Url,
    chosen,
    threshold_of,
)
from service.cli.failure import FAILED, USAGE, CommandError, asking
from service.cli.left_out import results_in, written_images

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service.client import ClientError, ImageLike


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
    absent: Absent = "keep",
    url: Url = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print scores, a line an image.")] = False,
) -> None:
    """Find a session's classes in images, by a running service.

    Writes label maps to out/masks/labels, coco.json, yolo/ or geojson/. In a label map 0 is the
    background and i the i-th class of classes.csv.

    \b
    fss segment photos/*.jpg --session ID --out labels/ --format coco

    An API key is taken from FSS_CLIENT_KEY. Images of no use are named, and the exit status is 1.
    """  # noqa: D301 - click's mark for lines that stay as they are
    from service.client import Client
    from service.formats import FolderSink, LabelledImage, export_dataset

    paths, least = _files(images, out), threshold_of(threshold)
    failed: list[str] = []

    def note(image: "ImageLike", error: "ClientError") -> None:
        failed.append(f"{image!s}: {error}")

    with asking(), Client(url) as client:
        target = client.session(session)
        known = [each.class_name for each in target.describe().classes]
        wanted = [name for name in known if not classes or name in classes]

        def found() -> "Iterator[LabelledImage]":
            answers = target.segment_many(
                list(paths),
                classes=classes or (),
                threshold=least,
                absent=absent,
                mode=mode,
                on_failure=note,
                progress=sys.stderr.isatty(),
            )
            for path, answer in answers:
                if as_json:
                    scores = [each.model_dump(exclude={"mask"}) for each in answer.wire.classes]
                    print(json.dumps({"image": str(path), "classes": scores}))
                yield LabelledImage.from_result(paths[path], answer.wire)  # type: ignore[index]

        export_dataset(found(), wanted, chosen(formats), FolderSink(out))
    if failed:
        raise CommandError("\n".join([*failed, f"{len(failed)} of {len(paths)} failed"]), FAILED)


def _files(patterns: list[str], out: Path) -> dict[Path, str]:
    """Each image, and its name in the results: below the folder given, with slashes.

    Results of an earlier run are no images, and neither is what is hidden in a folder.
    """
    from service.client.files import images_in, shown_name

    written = {each.resolve() for each in written_images(out)}
    found: dict[Path, str] = {}
    for pattern in patterns:
        path = Path(pattern)
        if path.is_dir():
            images = sorted(images_in(path, without=results_in(path, out)))
            names = {each: shown_name(each.relative_to(path)) for each in images}
        elif path.exists():
            names = {path: shown_name(Path(path.name))}
        else:
            matches = map(Path, sorted(glob.glob(pattern, recursive=True)))  # noqa: PTH207 - any root
            images = [each for each in matches if written.isdisjoint(each.resolve().parents)]
            names = {each: shown_name(Path(each.name)) for each in images}
        if not names:
            raise CommandError(f"no image at {pattern}", USAGE)
        found.update(names)
    if len(set(found.values())) < len(found):
        twice = next(name for name, count in Counter(found.values()).items() if count > 1)
        raise CommandError(f"two images are called {twice}; give them in two commands", USAGE)
    return found
