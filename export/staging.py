"""Bundles change as a whole: a directory beside them is filled first, then takes their place."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def placing(bundle: Path) -> Iterator[Path]:
    """An empty directory that becomes the bundle, or replaces it, when the block ends.

    An exception inside leaves everything as it was.
    """
    with tempfile.TemporaryDirectory(dir=bundle.parent) as folder:
        staging = Path(folder, "bundle")
        staging.mkdir()
        yield staging
        if bundle.exists():
            bundle.rename(Path(folder, "before"))
        staging.rename(bundle)


@contextmanager
def replacing(bundle: Path) -> Iterator[Path]:
    """A copy of a bundle, to be changed, that replaces it when the block ends.

    An exception inside leaves the bundle as it was. Where a link leads to it, the link stays.
    """
    bundle = bundle.resolve()
    with placing(bundle) as staging:
        shutil.copytree(bundle, staging, dirs_exist_ok=True)
        yield staging
