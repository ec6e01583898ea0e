"""Checks that one `coco.json` does not replace another one with images of its own."""

import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import IO

from service.cli.failure import USAGE, CommandError
from service.formats import FolderSink

_COCO = "coco.json"


class SegmentedFolder(FolderSink):
    """The folder for the results of a run; it loses no image of an earlier `coco.json`.

    Args:
        folder: to write to.
        lost: which of the earlier images a run has no result of.
    """

    def __init__(self, folder: Path, lost: Callable[[Collection[str]], Collection[str]]) -> None:
        super().__init__(folder)
        self._earlier: set[str] = set()
        self._lost = lost
        self.kept_coco = False
        """Whether `coco.json` is still that of the earlier run."""

    def require_no_others(self, names: Collection[str]) -> None:
        """Fail if the earlier `coco.json` has images that are not among these.

        Raises:
            CommandError.
        """
        self._earlier = _images_of(self._folder / _COCO)
        others = self._earlier.difference(names)
        if others:
            raise CommandError(
                f"{self._folder / _COCO} holds other images, such as {min(others)}: "
                "choose another --out, or give all images in one command",
                USAGE,
            )

    def copy(self, path: str, source: IO[bytes]) -> None:
        """Add a file, except a `coco.json` that would lack earlier images."""
        if path == _COCO and self._lost(self._earlier):
            self.kept_coco = True
        else:
            super().copy(path, source)


def _images_of(path: Path) -> set[str]:
    try:
        return {str(each["file_name"]) for each in json.loads(path.read_bytes())["images"]}
    except (FileNotFoundError, NotADirectoryError):
        return set()
    except (ValueError, LookupError, TypeError) as exc:
        raise CommandError(f"{path} is no COCO file: choose another --out", USAGE) from exc
