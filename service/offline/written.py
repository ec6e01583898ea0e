"""Which files the runs of a folder wrote, and what was in them: others may be corrected by hand."""

import hashlib
from collections import defaultdict
from pathlib import Path

from model.contract import replace_text


class WrittenFiles:
    """A list of files, on disk: a line names the run, and one each a file and its content.

    A file is noted before it takes its place, so that one that a run was stopped behind is known to
    the next.

    Args:
        folder: that the files are in.
        listing: path of the list.

    Raises:
        OSError: it cannot be read.

    Attributes:
        run: that all files are of; empty where one was stopped, or there was none.
        paths: of the files, relative to the folder.
    """

    def __init__(self, folder: Path, listing: Path) -> None:
        self._folder, self._listing = folder, listing
        text = listing.read_text(encoding="utf-8") if listing.exists() else ""
        # By line feeds alone, which no path here holds: a name may hold what else ends lines.
        self.run, *lines = text.split("\n")
        self._digests: defaultdict[str, set[str]] = defaultdict(set)
        for line in lines:
            digest, _, path = line.rpartition("\t")  # earlier versions noted paths alone
            if _is_below(path):
                self._digests[path] |= {digest} - {""}

    @property
    def paths(self) -> set[str]:
        return set(self._digests)

    def begin(self, run: str) -> None:
        """Note that files of this run follow.

        Raises:
            OSError: it cannot be written.
        """
        if self.run != run:  # until it has written them all, they are of two
            self._write("")

    def note(self, path: str, file: Path) -> None:
        """Note a file that is about to take its place.

        Args:
            path: of the place.
            file: with the content.

        Raises:
            OSError: it cannot be written.
        """
        digest = _digest(file)
        with self._listing.open("a", encoding="utf-8") as lines:
            lines.write(f"\n{digest}\t{path}")
        self._digests[path] = {digest}  # on disk what is there still counts, until all are written

    def is_changed(self, path: str, replacement: Path | None = None) -> bool:
        """Whether a file is there, and was changed since it was written.

        Args:
            path: of the file.
            replacement: a file that is about to take its place; one of the same content is no
                change.
        """
        file, known = self._folder / path, self._digests.get(path)
        if not known or not file.is_file():
            return False
        found = _digest(file)
        return found not in known and (replacement is None or found != _digest(replacement))

    def finish(self, run: str, gone: set[str]) -> None:
        """Note that a run has written all its files.

        Args:
            run: of all files that are there now.
            gone: files that are no longer there.

        Raises:
            OSError: it cannot be written.
        """
        for path in gone:
            self._digests.pop(path, None)
        self._write(run)

    def _write(self, run: str) -> None:
        lines = [
            f"{digest}\t{path}" if digest else path
            for path, digests in sorted(self._digests.items())
            for digest in sorted(digests) or [""]
        ]
        replace_text(self._listing, "\n".join([run, *lines]))


def _is_below(path: str) -> bool:
    """Whether a path leads into the folder that it is seen from: the list may have been changed."""
    return {"", ".", ".."}.isdisjoint(path.split("/")) and "\0" not in path


def _digest(file: Path) -> str:
    with file.open("rb") as data:
        return hashlib.file_digest(data, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
