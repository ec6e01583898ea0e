"""Intersection over union as the field reports it: totals over episodes, then means."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from model.data.datasets import IGNORE


@dataclass
class IoUTotals:
    """Pixel totals for each class.

    `mean_iou` is the mean over classes of total intersection over total union (PASCAL-5i);
    `fb_iou` the mean of foreground and background IoU with classes ignored.
    """

    intersection: dict[int, int] = field(default_factory=dict)
    union: dict[int, int] = field(default_factory=dict)
    background_intersection: int = 0
    background_union: int = 0

    def update(
        self, class_index: int, prediction: NDArray[np.bool_], label: NDArray[np.uint8]
    ) -> None:
        """Add one query.

        Args:
            class_index: its class.
            prediction: foreground (H, W).
            label: 1 foreground, 0 background, 255 left out of both sides (H, W).

        Raises:
            ValueError: shapes differ, or the label holds another value.
        """
        if prediction.shape != label.shape:
            raise ValueError(f"prediction {prediction.shape} and label {label.shape} differ")
        if not np.isin(label, (0, 1, IGNORE)).all():
            raise ValueError("a label holds only 0, 1 and 255")
        counted = label != IGNORE
        predicted, actual = prediction & counted, label == 1
        both = int(np.count_nonzero(predicted & actual))
        either = int(np.count_nonzero(predicted | actual))
        self.intersection[class_index] = self.intersection.get(class_index, 0) + both
        self.union[class_index] = self.union.get(class_index, 0) + either
        total = int(np.count_nonzero(counted))
        self.background_intersection += total - either
        self.background_union += total - both

    def class_iou(self) -> dict[int, float]:
        """IoU in [0, 1] of each class that was labelled or predicted.

        A class that is neither anywhere, such as one whose absence was recognised in every query,
        has no IoU: 0 would count the best possible answer as the worst.
        """
        return {
            c: self.intersection[c] / self.union[c] for c in sorted(self.union) if self.union[c]
        }

    def named_percent(self, names: Mapping[int, str]) -> dict[str, float]:
        """`class_iou` in percent, by name."""
        return {names[c]: 100 * iou for c, iou in self.class_iou().items()}

    def mean_iou(self) -> float:
        """Mean over the classes of `class_iou`.

        Raises:
            ValueError: no class was labelled or predicted.
        """
        self._need_a_class()
        return float(np.mean(list(self.class_iou().values())))

    def fb_iou(self) -> float:
        """Mean of foreground and background IoU.

        Raises:
            ValueError: no class was labelled or predicted.
        """
        self._need_a_class()
        foreground = sum(self.intersection.values()) / sum(self.union.values())
        background = (
            self.background_intersection / self.background_union if self.background_union else 0.0
        )
        return (foreground + background) / 2

    def _need_a_class(self) -> None:
        if not any(self.union.values()):
            raise ValueError("no episode was added in which a class is labelled or predicted")


class LabelMapTotals:
    """Pixel totals of whole label maps, in which every pixel has one class or is background."""

    def __init__(self) -> None:
        # Rows are labels and columns predictions; a label map holds bytes.
        self._counts = np.zeros((IGNORE, IGNORE), np.int64)

    def update(self, prediction: NDArray[np.int64], label: NDArray[np.uint8]) -> None:
        """Add one image.

        Args:
            prediction: class indices (H, W), 0 background.
            label: class indices (H, W), 255 left out of both sides.

        Raises:
            ValueError: shapes differ.
        """
        if prediction.shape != label.shape:
            raise ValueError(f"prediction {prediction.shape} and label {label.shape} differ")
        counted = label != IGNORE
        pairs = label[counted].astype(np.int64) * IGNORE + prediction[counted]
        self._counts += np.bincount(pairs, minlength=IGNORE**2).reshape(IGNORE, IGNORE)

    def class_iou(self) -> dict[int, float]:
        """IoU in [0, 1] of the background and of each class that was labelled or predicted."""
        both = np.diag(self._counts)
        either = self._counts.sum(axis=0) + self._counts.sum(axis=1) - both
        return {int(c): float(both[c] / either[c]) for c in np.nonzero(either)[0]}
