"""A set whose decoded images stay in memory while they fit."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from model.data.datasets import LabelledImages, class_areas
from model.lru_cache import KEPT_BYTES, LRUCache

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]


class RecentImages:
    """A set with a bounded cache of decoded images.

    Args:
        dataset: the set.
        limit_bytes: of decoded images and label maps.
    """

    def __init__(self, dataset: LabelledImages, *, limit_bytes: int = KEPT_BYTES) -> None:
        self._dataset = dataset
        self._pairs: LRUCache[Pair] = LRUCache(
            lambda pair: pair[0].nbytes + pair[1].nbytes, limit_bytes
        )

    @property
    def name(self) -> str:
        return self._dataset.name

    @property
    def class_names(self) -> dict[int, str]:
        return self._dataset.class_names

    def __len__(self) -> int:
        return len(self._dataset)

    def label(self, index: int) -> NDArray[np.uint8]:
        return self._dataset.label(index)

    def class_areas(self, index: int) -> Mapping[int, int]:
        """Class index → pixels, by the set's own index where it has one."""
        return class_areas(self._dataset, index)

    def read(self, index: int) -> Pair:
        return self._pairs.get(index, lambda: self._dataset.read(index))
