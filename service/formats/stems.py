"""The names of an image's files in a dataset, whatever the image was called."""

import re
from pathlib import PurePosixPath

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DRIVE = re.compile(r"[A-Za-z]:")
# What file systems take; of a stem, room is left for what is put behind it.
_MAX_NAME_BYTES = 255
_MAX_STEM_BYTES = 230
# A zip keeps names of up to 64 KiB, and no file system one as long.
_MAX_PARTS = 20


class Stems:
    """Gives each image a relative path without suffix that can be made a file; no two alike."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}

    def of(self, file_name: str) -> str:
        """`a/b.jpg` to `a/b`; where that is taken `a/b_jpg`, then `a/b_jpg_2` and so on."""
        path = PurePosixPath(safe_path(file_name))
        path = path.with_name(_end(path.stem, _MAX_STEM_BYTES) + path.suffix)
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
    """The relative path of a name: it stays below where it is put, and is printable in one line.

    Anything else in it is as it came, since other tools look for the image by it: `:` and `*`,
    usual on Linux, too. Only parts that no file system takes are cut, to their last 255 bytes.
    """
    parts = _CONTROL.sub("_", name.replace("\\", "/")).split("/")
    if _DRIVE.fullmatch(parts[0]):
        del parts[0]
    kept = [_end(part, _MAX_NAME_BYTES) for part in parts if part.strip(". ")]
    return "/".join(kept[-_MAX_PARTS:]) or "image"


def _end(part: str, max_bytes: int) -> str:
    """The last characters of a name that take so many bytes at most."""
    return part.encode(errors="surrogateescape")[-max_bytes:].decode(errors="ignore")
