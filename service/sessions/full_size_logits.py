"""Logits of one class at an image's full size: from the whole image, its tiles or close-ups."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from model.contract import resize_image, sigmoid, upsample_logits
from model.runtime import PixelColours, Window, correct
from service.imaging import guided_filter
from service.sessions.tile_grid import Grid

_MIN_TILE_PROBABILITY = 0.02  # a tile that stays below changes nothing that would be visible
_EPSILON = 1e-6  # so that logits stay finite


class FullSizeLogits(Protocol):
    """What the network predicts of one class in an image, to be rendered at the image's size."""

    def at(self, height: int, width: int) -> NDArray[np.float32]:
        """Logits (H, W), for the size of the image in pixels."""

    def may_reach(self, threshold_logit: float) -> bool:
        """False only if no pixel reaches the threshold; cheap."""


class SeenLogits(NamedTuple):
    """What the network predicts of one class in what it saw: a whole image, or a part of one.

    logits: (h, h).
    colours: of what it saw.
    classifier: (Q,) that corrects the logits by them, if the class has one.
    """

    logits: NDArray[np.float32]
    colours: PixelColours
    classifier: NDArray[np.float32] | None = None

    def at(self, height: int, width: int) -> NDArray[np.float32]:
        """See `FullSizeLogits.at`."""
        logits = self.logits
        if self.classifier is not None:
            logits = correct(logits, self.classifier, self.colours)
        return upsample_logits(logits, height, width)

    def may_reach(self, threshold_logit: float) -> bool:
        """Between cells no logit is larger than at them; corrected ones may be."""
        return self.classifier is not None or bool(self.logits.max() >= threshold_logit)


class TiledLogits(NamedTuple):
    """What the engine predicts of one class in every tile of an image.

    image: (H, W, 3) at full size, which the edges are moved to.
    grid: of T tiles.
    logits: (T, h, h).
    classifiers: (Q,) of each tile, what corrects them by the pixels, if anything does.
    presence: (T,).
    presence_threshold: from which the class counts as present in a tile.
    input_side: S, to which each tile was resized for the network.
    """

    image: NDArray[np.uint8]
    grid: Grid
    logits: NDArray[np.float32]
    classifiers: Sequence[NDArray[np.float32] | None]
    presence: NDArray[np.float32]
    presence_threshold: float
    input_side: int

    def at(self, height: int, width: int) -> NDArray[np.float32]:
        """Logits (H, W); tiles that lack the class count as background.

        Probabilities are blended, not logits: a tile that is very sure that there is nothing would
        else outvote the neighbour that shows the whole object.
        """
        blend = np.zeros((height, width), np.float32)
        for box, weight, number in self._tiles_with_class():
            tile = self.image[box]
            size = tile.shape[:2]
            blend[box] += weight * cv2.resize(
                self._refined(tile, number), size[::-1], interpolation=cv2.INTER_LINEAR
            )
        np.clip(blend, _EPSILON, 1 - _EPSILON, out=blend)
        blend /= 1 - blend
        return np.log(blend, out=blend)

    def may_reach(self, threshold_logit: float) -> bool:
        """Known only once the tiles are blended."""
        return True

    def _tiles_with_class(
        self,
    ) -> Iterator[tuple[tuple[slice, slice], NDArray[np.float32], int]]:
        """Box, weight and number of each tile that visibly holds the class."""
        weights = product(self.grid.rows.weights(), self.grid.columns.weights())
        for number, (box, (row, column)) in enumerate(zip(self.grid.boxes(), weights, strict=True)):
            seen = sigmoid(self.logits[number].max()) > _MIN_TILE_PROBABILITY
            visible = seen or self.classifiers[number] is not None  # which may raise what is lower
            if self.presence[number] >= self.presence_threshold and visible:
                yield box, np.outer(row, column), number

    def _refined(self, tile: NDArray[np.uint8], number: int) -> NDArray[np.float32]:
        """Probabilities (S, S) of a tile, their edges those of its image.

        What cells say is moved to them, by a cell at most; what pixels say is there already.
        """
        side, logits, classifier = self.input_side, self.logits[number], self.classifiers[number]
        resized = resize_image(np.ascontiguousarray(tile), side)
        seen = SeenLogits(logits, PixelColours(resized), classifier)
        soft = sigmoid(seen.at(side, side))
        if classifier is not None:
            return soft
        return guided_filter(resized, soft, max(1, side // len(logits)))


class CloseUpLogits(NamedTuple):
    """What the engine predicts of one class in a whole image, replaced within its close-ups.

    whole: of the whole image.
    windows: of the close-ups, which may overlap, and what each shows.
    shift: added to those of windows, so that one threshold is right for both.
    """

    whole: SeenLogits
    windows: Sequence[tuple[Window, SeenLogits]]
    shift: float = 0.0

    def at(self, height: int, width: int) -> NDArray[np.float32]:
        """Logits (H, W); specks outside the windows stay as the whole has them.

        Where windows overlap the surest counts: one may cut off what the other shows whole.
        Pixels tell so much of a class in the whole image that it is not replaced by its close-ups,
        but averaged with them, weighted by the resolution at which each was seen.
        """
        full = self.whole.at(height, width)
        covered = np.zeros((height, width), np.bool_)
        for window, seen in self.windows:
            close_up = seen.at(window.height, window.width) + np.float32(self.shift)
            before, twice = full[window.slices], covered[window.slices]
            if self.whole.classifier is not None:
                share = np.float32(full.size / (full.size + window.area))
                close_up *= share
                close_up += (1 - share) * before
            full[window.slices] = np.where(twice, np.maximum(before, close_up), close_up)
            covered[window.slices] = True
        return full

    def may_reach(self, threshold_logit: float) -> bool:
        """Known only once the close-ups are in place."""
        return True
