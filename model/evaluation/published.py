"""Published figures to stand beside ours: mIoU in percent, and none was made by a command here."""

from collections.abc import Mapping
from typing import NamedTuple

from model.data.folds import FOLDS


class Published(NamedTuple):
    """A row of a published table.

    mean: number of shots → mean over the four folds.
    """

    method: str
    mean: Mapping[int, float]

    def row(self, shots: int) -> list[str] | None:
        """Cells of a fold table; None where there is no figure for so many shots."""
        if shots not in self.mean:
            return None
        return [self.method, *["-"] * FOLDS, f"{self.mean[shots]:.1f}", "-"]


# The authors' table for SD-AANet and its baseline, and each method's own paper; ResNet-50.
_PASCAL = (
    Published("SD-AANet, paper", {1: 62.9, 5: 65.5}),
    Published("SD-AANet's baseline, paper", {1: 60.4}),
    Published("PFENet, paper", {1: 60.8, 5: 61.9}),
    Published("HSNet, paper", {1: 64.0, 5: 69.5}),
    Published("BAM, paper", {1: 67.8, 5: 70.9}),
    Published("HDMNet, paper", {1: 69.4, 5: 71.8}),
    Published("AMFormer, paper", {1: 70.7, 5: 73.6}),
)
_COCO = (Published("SD-AANet, ResNet-101, paper", {1: 40.9, 5: 48.7}),)
_BY_PREFIX = {"pascal": _PASCAL, "coco": _COCO}


def published_rows(data: str, shots: int) -> list[list[str]]:
    """Rows for the fold table of a set, by how its name begins; none if it is no benchmark."""
    found = [rows for prefix, rows in _BY_PREFIX.items() if data.startswith(prefix)]
    return [row for rows in found for entry in rows if (row := entry.row(shots)) is not None]
