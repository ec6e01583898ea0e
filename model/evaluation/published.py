"""Published figures to stand beside ours: mIoU in percent, and none was made by a command here."""

from collections.abc import Mapping
from typing import NamedTuple


class Published(NamedTuple):
    """A row of a published table.

    mean: number of shots → mean over the four folds.
    folds: number of shots → each fold, where known.
    """

    method: str
    mean: Mapping[int, float]
    folds: Mapping[int, tuple[float, float, float, float]]

    def row(self, shots: int) -> list[str] | None:
        """Cells of a fold table; None where there is no figure for so many shots."""
        if shots not in self.mean:
            return None
        folds = [f"{iou:.1f}" for iou in self.folds.get(shots, ())] or ["-"] * 4
        return [self.method, *folds, f"{self.mean[shots]:.1f}", "-"]


# The authors' table for SD-AANet and its baseline, and each method's own paper; ResNet-50.
_PASCAL = (
    Published("SD-AANet, paper", {1: 62.9, 5: 65.5}, {}),
    Published("SD-AANet's baseline, paper", {1: 60.4}, {}),
    Published("PFENet, paper", {1: 60.8, 5: 61.9}, {}),
    Published("HSNet, paper", {1: 64.0, 5: 69.5}, {}),
    Published("BAM, paper", {1: 67.8, 5: 70.9}, {}),
    Published("HDMNet, paper", {1: 69.4, 5: 71.8}, {}),
    Published("AMFormer, paper", {1: 70.7, 5: 73.6}, {}),
    Published(
        "no training: MobileNetV2 features, nearest prototype, 337 px",
        {1: 36.3, 5: 43.6},
        {1: (33.3, 39.3, 39.8, 32.9)},
    ),
)
_COCO = (Published("SD-AANet, ResNet-101, paper", {1: 40.9, 5: 48.7}, {}),)
_BY_PREFIX = {"pascal": _PASCAL, "coco": _COCO}


def published_rows(data: str, shots: int) -> list[list[str]]:
    """Rows for the fold table of a set, by how its name begins; none if it is no benchmark."""
    found = [rows for prefix, rows in _BY_PREFIX.items() if data.startswith(prefix)]
    return [row for rows in found for entry in rows if (row := entry.row(shots)) is not None]
