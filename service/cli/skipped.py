"""Tells of what is in a folder, and no command looks at."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from service.cli.wording import counted, listed


def note_skipped(files: Sequence[Path], linked: Sequence[Path]) -> None:
    """Say on standard error how many files there are of each kind, and what was not followed.

    Args:
        files: that are no images.
        linked: links to folders.
    """
    from service.schemas import IMAGE_KINDS

    if linked:
        links, names = counted(len(linked), "link"), listed([str(path) for path in linked])
        print(f"{links} to folders not followed: {names}", file=sys.stderr)
    if not files:
        return
    kinds = Counter(path.suffix.lower() or "without a suffix" for path in files)
    shown = listed([f"{kind} ({number})" for kind, number in kinds.most_common()])
    print(f"{counted(len(files), 'file')} skipped, not {IMAGE_KINDS}: {shown}", file=sys.stderr)
