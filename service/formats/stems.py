"""The names of an image's files in a dataset, whatever the image was called."""

import re
from pathlib import PurePosixPath

_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"|?*]')
_MAX_PART = 150
# A zip keeps names of up to 64 KiB, and no file system one as long.
_MAX_PARTS = 20


class Stems:
    """Gives each image a relative path without suffix: safe on every system, no two alike."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}

    def of(self, file_name: str) -> str:
        """`a/b.jpg` to `a/b`; where that is taken `a/b_jpg`, then `a/b_jpg_2` and so on."""
        path = PurePosixPath(safe_path(file_name))
        stem = str(path.with_suffix(""))
        if stem.casefold() in self._taken:
            stem = f"{stem}_{path.suffix[1:]}" if path.suffix else stem
        chosen, key = stem, stem.casefold()
        number = self._next.get(key, 2)  # thousands may have one name, as cameras give them
        while chosen.casefold() in self._taken:
            chosen, number = f"{stem}_{number}", number + 1
        self._next[key] = number
        self._taken.add(chosen.casefold())
        return chosen


def safe_path(name: str) -> str:
    """A relative path that stays below where it is put, close to the name that was given."""
    parts = (_UNSAFE.sub("_", part).strip(" ") for part in name.replace("\\", "/").split("/"))
    kept = [part[-_MAX_PART:] for part in parts if part.strip(".")]
    return "/".join(kept[-_MAX_PARTS:]) or "image"
