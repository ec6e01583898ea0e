"""The results of a run as a dataset."""

import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from service.formats import ExportOptions, FolderSink, LabelledImage, export_dataset
from service.offline.folder import ImageFile
from service.offline.ledger import Ledger
from service.offline.written import WrittenFiles
from service.schemas import Format

_LIST = "files.txt"


class Exported(NamedTuple):
    """What there is to tell of a dataset that was written.

    renamed: images whose files have another name; see `export_dataset`.
    kept: files that were changed since a run wrote them, and are as they were.
    """

    renamed: dict[str, str]
    kept: list[str]


def export_results(
    ledger: Ledger,
    images: Sequence[ImageFile],
    classes: Sequence[str],
    formats: Collection[Format],
    out: Path,
    state: Path,
    options: ExportOptions | None = None,
) -> Exported:
    """Write all that was found, in the order of the images, whatever order they were done in.

    What an earlier run wrote of the same formats and this one does not is removed, and what one of
    other options wrote, of any format: an image that is gone must not leave a label behind. A file
    that somebody has changed since is neither written again nor removed.

    Args:
        ledger: of the run.
        images: of the run; those without a result are left out.
        classes: in the order of their numbers.
        formats: to write.
        out: folder of the dataset.
        state: folder in which is kept what was written.
        options: how objects are written.
    """
    files = WrittenFiles(out, state / _LIST)
    run_before, before = files.run, files.paths
    run = json.dumps({"run": ledger.identity}, sort_keys=True)
    files.begin(run)
    sink = _CarefulSink(out, files)
    renamed = export_dataset(_labelled(ledger, images), classes, formats, sink, options)
    stale = before - sink.written
    # Not whether the ledger began again: what began it may have been stopped before it wrote here.
    if run_before == run:
        # Formats that are not written this time hold the same masks.
        kinds = {_kind(path) for path in sink.written}
        stale = {path for path in stale if _kind(path) in kinds}
    kept = {path for path in stale if files.is_changed(path)}
    for path in stale - kept:
        if (out / path).is_file():  # not a folder: a list that was not written whole may hold any
            (out / path).unlink()
    files.finish(run, stale - kept)
    return Exported(renamed, sorted(kept | sink.kept))


def _kind(path: str) -> str:
    """The folder or file of a format that a path belongs to."""
    return path.partition("/")[0]


class _CarefulSink(FolderSink):
    """A folder in which files that were changed since they were written stay as they are.

    Attributes:
        written: paths of all files that it was given.
        kept: those that stayed as they were.
    """

    def __init__(self, folder: Path, files: WrittenFiles) -> None:
        super().__init__(folder)
        self._files = files
        self.written: set[str] = set()
        self.kept: set[str] = set()

    def _settle(self, path: str, part: Path, target: Path) -> None:
        self.written.add(path)
        if self._files.is_changed(path, part):
            self.kept.add(path)
            part.unlink()
        else:
            self._files.note(path, part)
            super()._settle(path, part, target)


def _labelled(ledger: Ledger, images: Sequence[ImageFile]) -> Iterator[LabelledImage]:
    for image in images:
        labelled = ledger.entry(image.name).labelled
        if labelled is not None:
            yield LabelledImage.from_result(image.name, labelled.result)
