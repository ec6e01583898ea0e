"""The finished images of a run: a line of JSON for the run, then one for each image.

Only complete lines count, so a run that is killed loses just the images in progress.
"""

import fcntl
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple, Self

from pydantic import BaseModel, ValidationError

from service.offline.card import Card
from service.offline.errors import RunFailedError
from service.offline.folder import ImageFile
from service.schemas import ImageResult


class Labelled(BaseModel):
    """What was found in an image, and how it is shown."""

    result: ImageResult
    card: Card


class Entry(BaseModel):
    """An image and its outcome: what was found, or why there is nothing."""

    name: str
    size: int
    mtime_ns: int
    labelled: Labelled | None = None
    error: str | None = None


class _LineReference(NamedTuple):
    """Where the last line of an image begins, and the file that it is about."""

    offset: int
    size: int
    mtime_ns: int
    failed: bool


class Ledger:
    """The ledger of one run, locked by one process; only the offsets of lines are kept in memory.

    Args:
        path: of the file, made if it is not there.
        identity: of the run; what was finished under another one does not count.

    Raises:
        RunFailedError: another run holds it, or it cannot be written.

    Attributes:
        identity: of the run.
        changed: names of what differs from the run that wrote the file; it begins again.
    """

    def __init__(self, path: Path, identity: Mapping[str, str]) -> None:
        self.identity = dict(identity)
        self._lines: dict[str, _LineReference] = {}
        self._begun = True
        self._file = _open_locked(path)
        try:
            self.changed = self._read(self.identity)
        except BaseException:
            self._file.close()
            raise

    def has(self, image: ImageFile) -> bool:
        """Whether there is a result for this image as it is now."""
        line = self._lines.get(image.name)
        same = line and (line.size, line.mtime_ns) == (image.size, image.mtime_ns)
        return bool(line and same and not line.failed)

    def knows(self, image: ImageFile) -> bool:
        """Whether the image has an outcome, perhaps from before it changed."""
        return image.name in self._lines

    def add(self, entry: Entry) -> None:
        """Add an outcome, which replaces an earlier one of the same image.

        The first one overwrites what a run of another identity has written, not before: a run that
        fails to begin loses nothing.
        """
        self._begin()
        offset = self._file.seek(0, 2)
        self._file.write(entry.model_dump_json().encode() + b"\n")
        self._file.flush()
        self._note(entry, offset)

    def entry(self, name: str) -> Entry:
        """The last outcome of an image, by its name.

        Raises:
            KeyError: none is recorded under that name.
        """
        self._file.seek(self._lines[name].offset)
        return Entry.model_validate_json(self._file.readline())

    def _note(self, entry: Entry, offset: int) -> None:
        failed = entry.labelled is None
        self._lines[entry.name] = _LineReference(offset, entry.size, entry.mtime_ns, failed)

    def _begin(self) -> None:
        """Overwrite what a run of another identity has written by the line of this run."""
        if self._begun:
            return
        self._file.seek(0)
        self._file.truncate()
        self._file.write(json.dumps({"run": self.identity}).encode() + b"\n")
        self._begun = True

    def _read(self, identity: dict[str, str]) -> list[str]:
        first = self._file.readline()
        known = _identity(first)
        if known != identity:
            self._begun = False
            names = sorted(known.keys() | identity.keys())
            return [name for name in names if known.get(name) != identity.get(name)] * bool(first)
        offset = self._file.tell()
        for line in iter(self._file.readline, b""):
            if not line.endswith(b"\n"):
                break
            with suppress(ValidationError):
                self._note(Entry.model_validate_json(line), offset)
            offset += len(line)
        self._file.truncate(offset)
        return []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


def _open_locked(path: Path) -> IO[bytes]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        file = path.open("r+b")
    except OSError as exc:
        raise RunFailedError(f"{path} cannot be written: {exc.strerror}") from exc
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        file.close()
        raise RunFailedError(f"another run writes to {path.parent}") from exc
    return file


def _identity(line: bytes) -> dict[str, str]:
    """The identity of the run that wrote the first line; empty if no run has written it."""
    try:
        run = json.loads(line)["run"]
        return {str(name): str(value) for name, value in run.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
