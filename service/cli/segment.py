"""`fss segment`."""

import glob
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.failure import FAILED, USAGE, CommandError, asking
from service.cli.register import Url

if TYPE_CHECKING:
    from service.client import ClientError, ImageLike


def segment(
    images: Annotated[list[str], typer.Argument(help="Files, folders or patterns.")],
    session: Annotated[str, typer.Option(help="As `fss register` printed it.")],
    out: Annotated[Path, typer.Option(help="Folder for <image>.png, one label map an image.")],
    classes: Annotated[
        list[str] | None, typer.Option("--class", help="A class; repeat. None: all.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Least probability of an object's pixel.")
    ] = None,
    url: Url = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print scores, a line an image.")] = False,
) -> None:
    """Find a session's classes in images, by a running service.

    In a label map 0 is the background and i the i-th class of the session.

    \b
    fss segment photos/*.jpg --session ID --out labels/

    An API key is taken from FSS_CLIENT_KEY. Images of no use are named, and the exit status is 1.
    """  # noqa: D301 - click's mark for lines that stay as they are
    from service.client import Client
    from service.imaging import encode_label_map

    paths = _files(images)
    out.mkdir(parents=True, exist_ok=True)
    failed: list[str] = []

    def note(image: "ImageLike", error: "ClientError") -> None:
        failed.append(f"{image!s}: {error}")

    with asking(), Client(url) as client:
        answers = client.session(session).segment_many(
            list(paths),
            classes=classes or (),
            threshold=threshold,
            on_failure=note,
            progress=sys.stderr.isatty(),
        )
        for path, found in answers:
            target = out / paths[path]  # type: ignore[index]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(encode_label_map(found.label_map))
            if as_json:
                scores = [each.model_dump(exclude={"mask"}) for each in found.wire.classes]
                print(json.dumps({"image": str(path), "label_map": str(target), "classes": scores}))
    if failed:
        raise CommandError("\n".join([*failed, f"{len(failed)} of {len(paths)} failed"]), FAILED)


def _files(patterns: list[str]) -> dict[Path, Path]:
    """Each image, and its label map's place below the output folder."""
    from service.cli.support_folder import IMAGE_SUFFIXES

    found: dict[Path, Path] = {}
    for pattern in patterns:
        path = Path(pattern)
        if path.is_dir():
            inside = (each for each in sorted(path.rglob("*")) if each.is_file())
            pairs = [(each, each.relative_to(path)) for each in inside]
            pairs = [pair for pair in pairs if pair[0].suffix.lower() in IMAGE_SUFFIXES]
        elif path.exists():
            pairs = [(path, Path(path.name))]
        else:
            matches = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - of any root
            pairs = [(Path(each), Path(Path(each).name)) for each in matches]
        if not pairs:
            raise CommandError(f"no image at {pattern}", USAGE)
        found.update(pairs)
    return _distinct(found)


def _distinct(places: dict[Path, Path]) -> dict[Path, Path]:
    """The places as PNG names; two images at one place are an error, not a loss."""
    taken: dict[Path, Path] = {}
    for image, place in places.items():
        target = place.with_suffix(".png")
        if target in taken:
            raise CommandError(
                f"{taken[target]} and {image} would both be written to {target}; "
                "give them in two commands",
                USAGE,
            )
        taken[target] = image
    return {image: target for target, image in taken.items()}
