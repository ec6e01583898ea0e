"""The contact sheet: one self-contained HTML file, the least certain images first."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader

from service.offline.certainty import certainty
from service.offline.folder import ImageFile
from service.offline.ledger import Entry, Ledger

MAX_CARDS = 2000
"""Maximum cards of one sheet, about 40 MB; of more images the least certain are shown."""
_CHUNK = 40


class _Rank(NamedTuple):
    certainty: float
    position: int


def write_sheet(
    path: Path,
    ledger: Ledger,
    images: Sequence[ImageFile],
    classes: Sequence[str],
    *,
    title: str,
    presence_threshold: float,
    warnings: Sequence[str] = (),
    max_cards: int = MAX_CARDS,
) -> None:
    """Write the sheet of a run; pictures are read from the ledger as they are written.

    `warnings` of the supports stand at its top: what is wrong with those is wrong everywhere.
    """
    ranks, failed = [], []
    for position, image in enumerate(images):
        entry = ledger.entry(image.name)
        if entry.labelled is None:
            failed.append({"name": image.name, "error": entry.error})
        else:
            sure = certainty(entry.labelled.result, presence_threshold)
            ranks.append(_Rank(sure, position))
    shown = sorted(ranks)[:max_cards]
    index = (_row(ledger.entry(images[rank.position].name), rank, classes) for rank in shown)
    # The page is text for people and JSON for its script: both are escaped by the template.
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True
    )
    stream = environment.get_template("sheet.html").stream(
        title=title,
        classes=list(classes),
        total=len(ranks),
        failed=failed,
        warnings=list(warnings),
        presence_threshold=presence_threshold,
        chunk=_CHUNK,
        index=list(index),
        chunks=_chunks(ledger, [images[rank.position] for rank in shown]),
    )
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8") as target:
        target.writelines(stream)
    part.replace(path)


def _row(entry: Entry, rank: _Rank, classes: Sequence[str]) -> dict[str, Any]:
    """What the page sorts and filters by; classes by number."""
    found = [] if entry.labelled is None else entry.labelled.result.classes
    return {
        "name": entry.name,
        "certainty": round(rank.certainty, 3),
        "classes": [
            {
                "number": classes.index(each.class_name),
                "present": each.present,
                "presence": round(each.presence, 3),
                "score": round(each.score, 3),
                "area": each.area,
            }
            for each in found
        ],
    }


def _chunks(ledger: Ledger, images: Sequence[ImageFile]) -> Iterator[list[dict[str, Any]]]:
    """Pictures and outlines, in chunks of as many cards as the page parses at a time."""
    waiting = iter(images)
    while chunk := list(islice(waiting, _CHUNK)):
        entries = [ledger.entry(image.name) for image in chunk]
        yield [each.labelled.card._asdict() for each in entries if each.labelled is not None]
