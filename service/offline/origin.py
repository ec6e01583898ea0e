"""Which folder of images a folder of results is about."""

import json
import os
from pathlib import Path

from service.offline.errors import OfflineError

_NOTE = "folder.json"


def claim(state: Path, folder: Path) -> None:
    """Note the folder whose results are kept; once, or each time after both were moved.

    Raises:
        OfflineError: they are those of another folder, and would be removed.
    """
    own = _places(state, folder)
    note = state / _NOTE
    known = _read(note)
    if known and not any(known.get(name) == place for name, place in own.items()):
        raise OfflineError(
            f"{state.parent} holds what was found in {known.get('path')}, which would be removed: "
            "choose another folder for the results"
        )
    state.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(own), encoding="utf-8")


def _places(state: Path, folder: Path) -> dict[str, str]:
    """Where the folder is, and where it is seen from here: one of them may change, by a move."""
    path, here = folder.resolve(), state.resolve()
    return {"path": str(path), "from_here": os.path.relpath(path, here)}


def _read(note: Path) -> dict[str, str]:
    """What was noted; nothing in a new folder, or where the note is damaged."""
    try:
        known = json.loads(note.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
