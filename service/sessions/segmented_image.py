"""One image of a request, and what is known of it after each step of the use case."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from model.runtime import PixelColours
from service.sessions.decoded import QueryImage
from service.sessions.full_size_logits import FullSizeLogits, SeenLogits
from service.sessions.labelling import ClassPrediction
from service.sessions.segment_request import AskedClass, SegmentRequest
from service.sessions.tile_grid import Grid

_PRESENCE_DIGITS = 6  # behind them it differs with the images of the same batch


class Tiles(NamedTuple):
    """The tiles of one side, and the classes to look for in them."""

    grid: Grid
    classes: Sequence[AskedClass]


class SegmentedImage(NamedTuple):
    """An image, and what has been found in it so far; a step maps it to the next.

    position: among the images of the request, from 0.
    query: the image itself; colours: those of its pixels, which its classes share.
    wholes: of the P classes, what the whole shows.
    predictions: of them, in that order.
    tiles: that some classes are looked for in; none: the whole will do.
    """

    position: int
    query: QueryImage
    colours: PixelColours
    wholes: Sequence[SeenLogits]
    predictions: Sequence[ClassPrediction]
    tiles: Sequence[Tiles] = ()

    @classmethod
    def as_whole(
        cls,
        request: SegmentRequest,
        position: int,
        query: QueryImage,
        logits: NDArray[np.float32],
        presence: NDArray[np.float32],
    ) -> Self:
        """By what the engine says of the whole image: `logits` (P, h, h) and `presence` (P,)."""
        classes = request.classes.values()
        colours = PixelColours(query.pixels)
        wholes = [
            SeenLogits(own, colours, asked.supports.pixel_classifier)
            for asked, own in zip(classes, logits, strict=True)
        ]
        shown = enumerate(zip(classes, wholes, presence.tolist(), strict=True), start=1)
        predictions = [predict(request, number, *each) for number, each in shown]
        return cls(position, query, colours, wholes, predictions)

    def with_found(self, found: Mapping[str, ClassPrediction]) -> Self:
        """The same, some classes of which are predicted anew; `found`: by name."""
        return self._replace(predictions=[found.get(each.name, each) for each in self.predictions])


def predict(
    request: SegmentRequest,
    number: int,
    asked: AskedClass,
    logits: FullSizeLogits,
    presence: float,
) -> ClassPrediction:
    """What `logits` and the probability of its `presence` say of a class, the `number`-th."""
    presence = round(presence, _PRESENCE_DIGITS)
    present = presence >= request.presence_threshold
    return ClassPrediction(number, asked.name, logits, presence, present, asked.thresholds.whole)
