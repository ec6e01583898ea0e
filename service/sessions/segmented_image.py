"""One image of a request, and what is known of it after each step of the use case."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

from model.runtime import PixelColours
from service.engine import Predictions
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
        output: Predictions,
    ) -> Self:
        """By what the engine says of all images as wholes."""
        classes = request.classes.values()
        colours = PixelColours(query.pixels)
        of_classes = zip(
            classes, output.logits[position], output.corrected[position].tolist(), strict=True
        )
        wholes = [
            SeenLogits(own, colours, asked.supports.pixel_classifier if corrected else None)
            for asked, own, corrected in of_classes
        ]
        presence = output.presence[position].tolist()
        shown = enumerate(zip(classes, wholes, presence, strict=True), start=1)
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
