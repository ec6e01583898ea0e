"""Atomic replacement of bundles: a directory beside the bundle is filled, then takes its place."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def placing(bundle: Path) -> Iterator[Path]:
    """An empty directory that becomes the bundle, or replaces it, when the block ends.

    An exception inside leaves everything as it was. One while the bundle is replaced, such as that
    of Ctrl-C, leaves the old one or the new one.
    """
    with tempfile.TemporaryDirectory(dir=bundle.parent) as folder:
        staging = Path(folder, "bundle")
        staging.mkdir()
        yield staging
        before = Path(folder, "before")
        try:
            if bundle.exists():
                bundle.rename(before)
            staging.rename(bundle)
        except BaseException:
            if before.exists() and not bundle.exists():
                before.rename(bundle)
            raise


@contextmanager
def replacing(bundle: Path) -> Iterator[Path]:
    """A copy of a bundle to change, which replaces it when the block ends.

    An exception inside leaves the bundle as it was. A symbolic link to a bundle stays a link.
    """
    bundle = bundle.resolve()
    with placing(bundle) as staging:
        shutil.copytree(bundle, staging, dirs_exist_ok=True)
        yield staging
