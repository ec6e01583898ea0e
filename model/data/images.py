"""The plain views of all training images: held in memory where they fit, else read from disk."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from model.data.augment import View, plain_view, resize_label
from model.data.datasets import LabelledImages
from model.data.mixture import SourceImage, count_classes

_BYTES_A_PIXEL = 4  # three colours and a class index


class TrainingImages:
    """N images squashed to the input side S, with their label maps at the same side.

    One pass over the sets counts the classes of every label map, and keeps the decoded images if
    all of them fit. Images are the same either way.

    Args:
        sets: the sets that `images` points into.
        images: the images to take.
        side: S, pixels.
        memory_bytes: limit for all images together.
        workers: threads of the pass.

    Attributes:
        counts: (N, 1, 256) pixels of every class index.
        held: whether the images are in memory.
    """

    def __init__(
        self,
        sets: Sequence[LabelledImages],
        images: Sequence[SourceImage],
        *,
        side: int,
        memory_bytes: float,
        workers: int,
    ) -> None:
        self._sets, self._images, self._side = sets, images, side
        self.held = len(images) * side * side * _BYTES_A_PIXEL <= memory_bytes
        rows = len(images) if self.held else 0
        self._pixels = np.empty((rows, side, side, 3), np.uint8)
        self._labels = np.empty((rows, side, side), np.uint8)
        self.counts = np.empty((len(images), 1, 256), np.int32)
        with ThreadPoolExecutor(workers, "images") as pool:
            passed = pool.map(self._hold if self.held else self._count, range(len(images)))
            try:
                for _ in tqdm(passed, "images" if self.held else "label maps", len(images)):
                    pass
            finally:
                pool.shutdown(cancel_futures=True)  # or an interrupt would wait for all of them

    def view(self, row: int) -> View:
        """Image (S, S, 3) and label map (S, S) of class indices."""
        if self.held:
            return View(self._pixels[row], self._labels[row])
        return self._read(row)

    def _read(self, row: int) -> View:
        source = self._images[row]
        image, label = self._sets[source.set_index].read(source.image_index)
        return plain_view(image, label, side=self._side, label_side=self._side)

    def _hold(self, row: int) -> None:
        self._pixels[row], self._labels[row] = self._read(row)
        self.counts[row, 0] = count_classes(self._labels[row])

    def _count(self, row: int) -> None:
        source = self._images[row]
        label: NDArray[np.uint8] = self._sets[source.set_index].label(source.image_index)
        self.counts[row, 0] = count_classes(resize_label(label, self._side))
