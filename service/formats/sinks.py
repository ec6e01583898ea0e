"""Where a dataset is written: a folder, or one zip file."""

import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol, Self

from service.units import MIB

_CHUNK = MIB


class Sink(Protocol):
    """Takes files one after the other; paths are relative, with slashes."""

    def write(self, path: str, data: bytes) -> None:
        """Add a small file."""

    def copy(self, path: str, source: IO[bytes]) -> None:
        """Add a file of any size, from where `source` stands to its end."""


class FolderSink:
    """Files below a folder, which is made; each takes its place once it is whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, path: str, data: bytes) -> None:
        with self._replaced(path) as part:
            part.write_bytes(data)

    def copy(self, path: str, source: IO[bytes]) -> None:
        with self._replaced(path) as part, part.open("wb") as target:
            shutil.copyfileobj(source, target, _CHUNK)

    @contextmanager
    def _replaced(self, path: str) -> Iterator[Path]:
        target = self._place(path)
        part = target.with_name(f"{target.name}.part")
        try:
            yield part
            self._settle(path, part, target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise

    def _settle(self, path: str, part: Path, target: Path) -> None:
        """Let a file take its place, which is `path` in the folder."""
        part.replace(target)

    def _place(self, path: str) -> Path:
        target = self._folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        return target


class ZipSink:
    """Members of a zip file, to be closed; `target` need not be able to seek."""

    def __init__(self, target: IO[bytes] | Path) -> None:
        self._zip = zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1)

    def write(self, path: str, data: bytes) -> None:
        self._zip.writestr(path, data)

    def copy(self, path: str, source: IO[bytes]) -> None:
        with self._zip.open(path, "w", force_zip64=True) as target:
            shutil.copyfileobj(source, target, _CHUNK)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._zip.close()
