"""The bundles on disk: one named by its path, and all those in a folder."""

from collections.abc import Hashable
from pathlib import Path

from model.contract import MANIFEST_FILE


class BundleFolder:
    """Finds the directories of bundles; their content is checked by the loader.

    Args:
        bundle: directory of the bundle that is named by its path.
        folder: whose subfolders are bundles too, if they hold a manifest. Names that begin with a
            dot are passed over, so that one can be copied under such a name and then renamed.
    """

    def __init__(self, bundle: Path, folder: Path | None) -> None:
        self.bundle = bundle
        self.folder = folder

    def directories(self) -> list[Path]:
        """The directories of all bundles, each once: the named one, then those of the folder.

        Raises:
            OSError: the folder cannot be read.
        """
        if self.folder is None:
            return [self.bundle]
        known = self.bundle.resolve()
        return [self.bundle] + [
            path
            for path in sorted(self.folder.iterdir())
            if not path.name.startswith(".")
            and (path / MANIFEST_FILE).is_file()
            and path.resolve() != known
        ]

    def fingerprint(self) -> Hashable:
        """Changes when a file of a bundle appears, vanishes or is written.

        Raises:
            OSError.
        """
        files = (file for each in self.directories() for file in each.iterdir())
        stats = ((str(file), file.stat()) for file in files)
        return frozenset((name, found.st_mtime_ns, found.st_size) for name, found in stats)
