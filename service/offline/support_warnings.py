"""What there is to warn of the supports of a run, kept for runs that need not register them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from model.contract import replace_text

_FILE = "warnings.json"


def keep_warnings(state: Path, identity: Mapping[str, str], warnings: Sequence[str]) -> None:
    """Write the warnings of a run, which take the place of those of the run before.

    Args:
        state: folder of the ledger.
        identity: of the run; see `run_identity`.
        warnings: of all its classes; none are kept, too.

    Raises:
        OSError: they cannot be written.
    """
    text = json.dumps({"run": dict(identity), "warnings": list(warnings)})
    replace_text(state / _FILE, text)


def kept_warnings(state: Path, identity: Mapping[str, str]) -> list[str]:
    """The warnings of a run that was begun; none where a run of another identity wrote last."""
    try:
        known = json.loads((state / _FILE).read_text(encoding="utf-8"))
        return list(map(str, known["warnings"])) if known["run"] == dict(identity) else []
    except (FileNotFoundError, ValueError, LookupError, TypeError):  # damaged, or none
        return []
