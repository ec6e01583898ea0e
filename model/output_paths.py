"""The folders and files that a command writes, checked before its work begins."""

import os
from pathlib import Path


class OutputError(ValueError):
    """A command cannot write where it is told to."""


def file_to_write(path: Path) -> Path:
    """The same path, with its folder made.

    Raises:
        OutputError: it is a folder, or its folder cannot be made or written into.
    """
    if path.is_dir():
        raise OutputError(f"{path} is a folder: give the name of a file")
    folder_to_write(path.parent)
    return path


def folder_to_write(path: Path) -> Path:
    """The same path, made a folder.

    Raises:
        OutputError: it cannot be made, or not be written into.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise OutputError(f"cannot make the folder {path}: {exc.strerror}") from exc
    if not os.access(path, os.W_OK):
        raise OutputError(f"cannot write into {path}")
    return path
