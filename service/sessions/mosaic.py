"""Answers for parts of an image about one class, as one map of the image."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from model.contract import resize_image, sigmoid, upsample_logits
from model.runtime import Window
from service.imaging import guided_filter
from service.sessions.tile_grid import Grid

_UNSURE = 0.02  # probability below which a tile says nothing that would be seen
_NEVER = 1e-6  # so that logits stay finite


class TiledLogits(NamedTuple):
    """What the engine says of one class in every tile of an image.

    image: (H, W, 3) at full size, which the edges are moved to.
    grid: of T tiles.
    logits: (T, h, h).
    presence: (T,).
    least_presence: from which the class counts as present in a tile.
    input_side: S, at which the network saw each tile.
    """

    image: NDArray[np.uint8]
    grid: Grid
    logits: NDArray[np.float32]
    presence: NDArray[np.float32]
    least_presence: float
    input_side: int

    def blended(self) -> NDArray[np.float32]:
        """Logits (H, W); tiles that lack the class count as background.

        Probabilities are blended, not logits: a tile that is very sure that there is nothing would
        else outvote the neighbour that sees the whole object.
        """
        height, width = self.image.shape[:2]
        blend = np.zeros((height, width), np.float32)
        for box, weight, logits in self._speaking():
            tile = self.image[box]
            size = tile.shape[:2]
            blend[box] += weight * cv2.resize(
                self._refined(tile, logits), size[::-1], interpolation=cv2.INTER_LINEAR
            )
        np.clip(blend, _NEVER, 1 - _NEVER, out=blend)
        blend /= 1 - blend
        return np.log(blend, out=blend)

    def _speaking(
        self,
    ) -> Iterator[tuple[tuple[slice, slice], NDArray[np.float32], NDArray[np.float32]]]:
        """Box, weight and logits of each tile that has something to say."""
        weights = product(self.grid.rows.weights(), self.grid.columns.weights())
        answers = zip(self.grid.boxes(), weights, self.logits, self.presence, strict=True)
        for box, (row, column), logits, presence in answers:
            if presence >= self.least_presence and sigmoid(logits.max()) > _UNSURE:
                yield box, np.outer(row, column), logits

    def _refined(self, tile: NDArray[np.uint8], logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities (S, S) of a tile, their edges within a cell moved to those of its image."""
        side = self.input_side
        seen = resize_image(np.ascontiguousarray(tile), side)
        soft = sigmoid(upsample_logits(logits, side, side))
        return guided_filter(seen, soft, max(1, side // len(logits)))


class NearLogits(NamedTuple):
    """What the engine says of one class in a whole image, and instead of that in windows of it.

    whole: (h, h).
    windows: parts of the image that were seen from near and may overlap, and their logits (h, h).
    shift: added to those of windows, so that both are cut at the same logit.
    """

    whole: NDArray[np.float32]
    windows: Sequence[tuple[Window, NDArray[np.float32]]]
    shift: float = 0.0

    def blended(self, height: int, width: int) -> NDArray[np.float32]:
        """Logits (H, W); specks beside what the windows show stay as the whole has them.

        Where windows overlap the surest counts: one may cut off what the other shows whole.
        """
        full = upsample_logits(self.whole, height, width)
        shown = np.zeros((height, width), np.bool_)
        for window, logits in self.windows:
            near = upsample_logits(logits, window.height, window.width) + np.float32(self.shift)
            before, twice = full[window.slices], shown[window.slices]
            full[window.slices] = np.where(twice, np.maximum(before, near), near)
            shown[window.slices] = True
        return full
