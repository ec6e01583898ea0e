"""Tells of files in a folder that no command takes for images."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from service.cli.wording import counted, listed


def note_skipped(files: Sequence[Path]) -> None:
    """Say on standard error how many files there are of each kind; nothing if there are none."""
    from service.schemas import IMAGE_KINDS

    if not files:
        return
    kinds = Counter(path.suffix.lower() or "without a suffix" for path in files)
    shown = listed([f"{kind} ({number})" for kind, number in kinds.most_common()])
    print(f"{counted(len(files), 'file')} skipped, not {IMAGE_KINDS}: {shown}", file=sys.stderr)
