"""The names of an image's files in a dataset, whatever the image was called."""

import re
from pathlib import PurePosixPath
from unicodedata import normalize

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DRIVE = re.compile(r"[A-Za-z]:")
# What file systems take; of a stem, room is left for what is put behind it.
_MAX_NAME_BYTES = 255
_MAX_STEM_BYTES = 230
# Of the files of all formats.
_SUFFIXES = (".png", ".txt", ".geojson")
# A zip keeps names of up to 64 KiB, and no file system one as long.
_MAX_PARTS = 20


class Stems:
    """Gives each image a relative path without suffix that can be made a file; no two alike.

    Alike are names that some file system takes for one: in upper and lower case, in composed and
    decomposed characters. A folder is not called what a file beside it is.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._folders: set[str] = set()
        self._next: dict[str, int] = {}

    def of(self, file_name: str) -> str:
        """`a/b.jpg` to `a/b`; where that is taken `a/b_jpg`, then `a/b_jpg_2` and so on."""
        path = PurePosixPath(safe_path(file_name))
        path = path.with_name(_end(path.stem, _MAX_STEM_BYTES) + path.suffix)
        path = self._folder(path.parent) / path.name
        stem = str(path.with_suffix(""))
        if path.suffix and not self._is_free(stem):
            stem = str(path.with_name(_end(f"{path.stem}_{path.suffix[1:]}", _MAX_STEM_BYTES)))
        chosen, key = stem, _key(stem)
        number = self._next.get(key, 2)  # thousands may have one name, as cameras give them
        while not self._is_free(chosen):
            chosen, number = f"{stem}_{number}", number + 1
        self._next[key] = number
        self._taken.add(_key(chosen))
        self._folders.update(_key(str(each)) for each in PurePosixPath(chosen).parents)
        return chosen

    def _folder(self, folder: PurePosixPath) -> PurePosixPath:
        """The folder, with `a.png_2` for each part `a.png` that is a file already."""
        chosen = PurePosixPath()
        for part in folder.parts:
            chosen /= part if self._may_be_folder(str(chosen / part)) else f"{part}_2"
        return chosen

    def _is_free(self, stem: str) -> bool:
        key = _key(stem)
        files = {key + suffix for suffix in _SUFFIXES}
        return key not in self._taken and self._folders.isdisjoint(files)

    def _may_be_folder(self, folder: str) -> bool:
        key = _key(folder)
        return not any(
            key.endswith(suffix) and key.removesuffix(suffix) in self._taken for suffix in _SUFFIXES
        )


def _key(name: str) -> str:
    """The same for names that some file system takes for one."""
    return normalize("NFC", normalize("NFC", name).casefold())


def safe_path(name: str) -> str:
    """The relative path of a name: it stays below where it is put, and is printable in one line.

    Anything else in it is as it came, since other tools look for the image by it: `:` and `*`,
    usual on Linux, too. Only parts that no file system takes are cut, to their last 255 bytes.
    """
    parts = _CONTROL.sub("_", name.replace("\\", "/")).split("/")
    if _DRIVE.fullmatch(parts[0]):
        del parts[0]
    written = [_end(part, _MAX_NAME_BYTES) for part in parts]
    kept = [part for part in written if part.strip(". ")]
    return "/".join(kept[-_MAX_PARTS:]) or "image"


def _end(part: str, max_bytes: int) -> str:
    """The last characters of a name that take so many bytes at most; `?` for what is no text."""
    return part.encode(errors="replace")[-max_bytes:].decode(errors="ignore")
