"""Where commands look by default."""

import os
from pathlib import Path


def weights_beside(sets: Path) -> Path:
    """Where starting weights are by default: `weights` beside the folder of the sets.

    Links are not followed: beside a link to a folder is where the link is.
    """
    # Unlike `Path.absolute`, this takes `..` out.
    return Path(os.path.abspath(sets)).parent / "weights"  # noqa: PTH100
