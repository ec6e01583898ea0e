"""The results of a run as a dataset."""

import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from service.formats import ExportOptions, FolderSink, LabelledImage, export_dataset
from service.offline.folder import ImageFile
from service.offline.ledger import Ledger
from service.schemas import Format

_LIST = "files.txt"


def export_results(
    ledger: Ledger,
    images: Sequence[ImageFile],
    classes: Sequence[str],
    formats: Collection[Format],
    out: Path,
    state: Path,
    options: ExportOptions | None = None,
) -> None:
    """Write all that was found, in the order of the images, whatever order they were done in.

    What an earlier run wrote of the same formats and this one does not is removed, and what one of
    other options wrote, of any format: an image that is gone must not leave a label behind.

    Args:
        ledger: of the run.
        images: of the run; those without a result are left out.
        classes: in the order of their numbers.
        formats: to write.
        out: folder of the dataset.
        state: folder in which a line names the run, and one each the files that it wrote.
        options: how objects are written.
    """
    listing = state / _LIST
    text = listing.read_text(encoding="utf-8") if listing.exists() else ""
    # By line feeds alone, which no path here holds: a name may hold what else ends lines.
    run_before, *lines = text.split("\n")
    before = {line for line in lines if _is_below(line)}
    run = json.dumps({"run": ledger.identity}, sort_keys=True)
    sink = _ListedSink(out)
    export_dataset(_labelled(ledger, images), classes, formats, sink, options)
    stale = before - sink.written
    # Not whether the ledger began again: what began it may have been stopped before it wrote here.
    if run_before == run:
        # Formats that are not written this time hold the same masks.
        kinds = {_kind(path) for path in sink.written}
        stale = {path for path in stale if _kind(path) in kinds}
    for path in stale:
        (out / path).unlink(missing_ok=True)
    now = [run, *sorted((before | sink.written) - stale)]
    listing.write_text("\n".join(now), encoding="utf-8")


def _is_below(path: str) -> bool:
    """Whether a path leads into the folder that it is seen from: the list may have been changed."""
    return {"", ".", ".."}.isdisjoint(path.split("/")) and "\0" not in path


def _kind(path: str) -> str:
    """The folder or file of a format that a path belongs to."""
    return path.partition("/")[0]


class _ListedSink(FolderSink):
    """A folder, and which files were written into it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.written: set[str] = set()

    def _place(self, path: str) -> Path:
        self.written.add(path)
        return super()._place(path)


def _labelled(ledger: Ledger, images: Sequence[ImageFile]) -> Iterator[LabelledImage]:
    for image in images:
        labelled = ledger.entry(image.name).labelled
        if labelled is not None:
            yield LabelledImage.from_result(image.name, labelled.result)
