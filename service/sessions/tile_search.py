"""Classes of one image, looked for in its tiles."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from model.contract import SupportSet, resize_image
from service.engine import ImageU8, Predictions
from service.sessions.full_size_logits import TiledLogits
from service.sessions.labelling import ClassPrediction
from service.sessions.resources import IMAGES_AT_ONCE, ModelResources
from service.sessions.segment_request import SegmentRequest
from service.sessions.segmented_image import SegmentedImage, predict
from service.sessions.tile_grid import Grid

_MAX_PAIRS_AT_ONCE = 32  # of a tile and a class, in one call to the engine


async def search_tiles(
    request: SegmentRequest, image: SegmentedImage, pixels: NDArray[np.uint8]
) -> SegmentedImage:
    """The image by what its tiles show; in batches, each of which ends with the request.

    Args:
        request: what is asked for.
        image: with its tiles.
        pixels: (H, W, 3) of the image at full size, which the result holds on to.

    Raises:
        NotReadyError, QueueFullError, DeadlineExceededError, InferenceError.
    """
    numbers = {each.name: each.number for each in image.predictions}
    found: dict[str, ClassPrediction] = {}
    for grid, classes in image.tiles:
        views = [asked.tile_view.supports for asked in classes]
        output = await _segment(request.resources, pixels, grid, views)
        for k, asked in enumerate(classes):
            classifier = asked.tile_view.supports.pixel_classifier
            logits = TiledLogits(
                pixels,
                grid,
                output.logits[:, k],
                [classifier if corrected else None for corrected in output.corrected[:, k]],
                output.presence[:, k],
                request.presence_threshold,
                request.input_side,
            )
            # A class that is in one tile is in the image.
            presence = float(logits.presence.max())
            prediction = predict(request, numbers[asked.name], asked, logits, presence)
            found[asked.name] = prediction._replace(threshold=asked.thresholds.tiles)
    return image.with_found(found)


async def _segment(
    resources: ModelResources, pixels: NDArray[np.uint8], grid: Grid, views: Sequence[SupportSet]
) -> Predictions:
    """What all T tiles show of P classes."""
    boxes = list(grid.boxes())
    predictions: list[Predictions] = []
    # Few pairs at a time too: with many classes, eight tiles would take seconds.
    tiles_at_once = min(IMAGES_AT_ONCE, max(1, _MAX_PAIRS_AT_ONCE // len(views)))
    for start in range(0, len(boxes), tiles_at_once):
        part = boxes[start : start + tiles_at_once]
        crop = partial(_crop, pixels, part, resources.engine.manifest.input_side)
        tiles = await resources.pool.run(crop)
        predictions.append(await resources.engine.segment(tiles, views))
    return Predictions(*(np.concatenate(parts) for parts in zip(*predictions, strict=True)))


def _crop(
    pixels: NDArray[np.uint8], boxes: Sequence[tuple[slice, slice]], side: int
) -> list[ImageU8]:
    return [resize_image(np.ascontiguousarray(pixels[box]), side) for box in boxes]
