"""The files in a job's folder besides its images, and that all of them are on the disk in time."""

import os
from collections.abc import Callable
from pathlib import Path

from service.schemas import ImageResult

SNAPSHOT = "session.safetensors"
"""The job's copy of its session."""


def read_snapshot(folder: Path) -> bytes:
    """The job's copy of its session, encoded.

    Raises:
        OSError: it is gone, or the machine cannot read it for now.
    """
    return (folder / SNAPSHOT).read_bytes()


def write_result(folder: Path, number: int, result: ImageResult) -> None:
    """Put the result of an image in its place, where it is whole or not at all.

    Raises:
        FileNotFoundError: the folder was removed.
        OSError: there is no room.
    """
    part = folder / f"{number}.part"
    with part.open("w", encoding="utf-8") as file:
        file.write(result.model_dump_json())
        file.flush()
        os.fsync(file.fileno())  # before the database records it as done
    part.replace(_result(folder, number))
    _sync(folder)


def read_result(folder: Path, number: int) -> ImageResult:
    """The result of an image that is done.

    Raises:
        FileNotFoundError.
    """
    return ImageResult.model_validate_json(_result(folder, number).read_text(encoding="utf-8"))


def sync_folder(folder: Path, go_on: Callable[[], None]) -> None:
    """Put all files on the disk, before the database records the job that has them.

    Args:
        folder: of the job.
        go_on: called before each; may raise.
    """
    for path in (*folder.iterdir(), folder, folder.parent):
        go_on()
        _sync(path)


def _result(folder: Path, number: int) -> Path:
    return folder / f"{number}.json"


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
