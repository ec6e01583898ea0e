"""The set of procedural defects."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from model.data.datasets.base import BACKGROUND
from model.data.procedural import DEFECT_CLASSES, render_defect


@dataclass(frozen=True)
class ProceduralDefects:
    """Rendered surface defects, `per_class` images of each class, the same for the same seed."""

    per_class: int
    side: int
    seed: int = 0
    name: str = "procedural_defects"
    class_names: dict[int, str] = field(
        default_factory=lambda: {i + 1: name for i, name in enumerate(DEFECT_CLASSES)}
    )

    def __len__(self) -> int:
        return self.per_class * len(DEFECT_CLASSES)

    def label(self, index: int) -> NDArray[np.uint8]:
        return self.read(index)[1]

    def read(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        class_index = index % len(DEFECT_CLASSES)
        rng = np.random.default_rng((self.seed, index))
        pixels, mask = render_defect(class_index, rng, self.side)
        return pixels, np.where(mask > 0, class_index + 1, BACKGROUND).astype(np.uint8)
