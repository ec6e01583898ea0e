"""`fss register`."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.choices import ADAPT, AdaptChoice, Url
from service.cli.class_names import class_name
from service.cli.failure import USAGE, CommandError, client_errors_as_messages
from service.cli.label_notes import note
from service.cli.wording import counted

if TYPE_CHECKING:
    from service.client import ImageLike, MaskLike, Session
    from service.client.advice import Registered
    from service.image_files import Shots
    from service.schemas import SupportResponse


def register(
    name: Annotated[
        str | None, typer.Argument(help="The class; with --support, none is all of its classes.")
    ] = None,
    image: Annotated[list[Path] | None, typer.Option(help="An image; repeat for more.")] = None,
    mask: Annotated[
        list[Path] | None, typer.Option(help="Its mask, nonzero on the object; in the same order.")
    ] = None,
    support: Annotated[
        Path | None,
        typer.Option(help="A folder of a.jpg and a.CLASS.png; or images/, labels/, classes.csv."),
    ] = None,
    session: Annotated[str | None, typer.Option(help="Add to this session.")] = None,
    replace: Annotated[bool, typer.Option(help="Replace the shots of the class.")] = False,
    adapt: AdaptChoice = "auto",
    model: Annotated[
        str | None, typer.Option(help="For a new session: a name, or name@revision.")
    ] = None,
    url: Url = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answers as JSON.")] = False,
) -> None:
    """Register classes with a running service, and print the session.

    All files are looked at before the first is sent. If the service fails midway, the session and
    the classes registered so far are printed.

    \b
    fss register duck --image a.jpg --mask a.png --image b.jpg --mask b.png
    fss register --support supports/

    An API key is taken from FSS_CLIENT_KEY.
    """  # noqa: D301 - click's mark for lines that stay as they are
    from service.cli.support_check import require_usable
    from service.client import Client
    from service.client.advice import Registered, advice
    from service.image_files import shot_batches

    with client_errors_as_messages(), Client(url) as client:
        target = client.session(session)
        wanted = {
            called: list(shot_batches(images, masks, ADAPT[adapt]))
            for called, (images, masks) in _wanted(name, image, mask, support, session).items()
        }
        require_usable(wanted)
        answers: dict[str, SupportResponse] = {}
        for called, batches in wanted.items():
            requests = []
            for number, shots in enumerate(batches):
                with _failure_as_message(target, called, shots, answers):
                    answers[called] = target.register(
                        called,
                        shots.images,
                        shots.masks,
                        mode="replace" if replace and number == 0 else "append",
                        adapt=shots.adapt,
                        model=model,
                    )
                requests.append(Registered(shots, answers[called]))
            told = advice(requests) if replace else [*_earlier(requests[0]), *advice(requests)]
            for text in told:
                print(f"{called}: {text}", file=sys.stderr)
    if as_json:
        classes = [each.model_dump(mode="json") for each in answers.values()]
        print(json.dumps({"session_id": target.id, "classes": classes}, indent=2))
        return
    for each in answers.values():
        print(f"{each.class_name}: {counted(each.shots, 'shot')}", file=sys.stderr)
    print(target.id)


@contextmanager
def _failure_as_message(
    target: "Session", name: str, shots: "Shots", answers: "Mapping[str, SupportResponse]"
) -> Iterator[None]:
    """Raise `CommandError` where a request fails; it says what is registered already."""
    from service.client import ClientError

    try:
        yield
    except ClientError as exc:
        told = str(exc) if exc.location is None else exc.told_of(shots.named(exc.location))
        lines = [f"{name}: {told}"]
        if answers:
            by_then = (
                f"{each.class_name} ({counted(each.shots, 'shot')})" for each in answers.values()
            )
            lines.append(f"session {target.id} has by then: {', '.join(by_then)}")
        raise CommandError("\n".join(lines)) from exc


def _earlier(first: "Registered") -> list[str]:
    """That the class had shots before the first request of this run."""
    if not first.first:
        return []
    return [f"{counted(first.first, 'shot')} from before kept; --replace replaces them"]


def _wanted(
    name: str | None,
    image: list[Path] | None,
    mask: list[Path] | None,
    support: Path | None,
    session: str | None,
) -> "dict[str, tuple[list[ImageLike], list[MaskLike]]]":
    """Images and masks of each class asked for."""
    name = None if name is None else class_name(name)
    if support is not None:
        if image or mask:
            raise CommandError("either --support, or --image and --mask", USAGE)
        return _of_folder(support, name, session)
    if name is None or not image:
        raise CommandError("name a class and give --image and --mask, or give --support", USAGE)
    if len(image) != len(mask or ()):
        raise CommandError(f"{len(image)} images, but {len(mask or ())} masks", USAGE)
    return {name: (list(image), list(mask or ()))}


def _of_folder(
    folder: Path, name: str | None, session: str | None
) -> "dict[str, tuple[list[ImageLike], list[MaskLike]]]":
    # Imported here: NumPy and Pillow would slow down `--help`.
    from service.cli.support_folder import read_supports

    found = read_supports(folder)
    note(*found.doubts)
    supports = {each: shots for each, shots in found.files().items() if found.shots[each]}
    if name is not None and name not in supports:
        raise CommandError(f"{folder} has no class {name!r}, but {', '.join(supports)}", USAGE)
    wanted = {each: shots for each, shots in supports.items() if name in {None, each}}
    if session is None:  # in another one, what is in it comes first
        note(*found.renumbered(wanted))
    return wanted
