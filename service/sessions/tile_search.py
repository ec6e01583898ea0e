"""Classes of one image, looked for in its tiles."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.contract import SupportSet, resize_image
from service.engine import ImageU8, Predictions
from service.errors import DeadlineExceededError
from service.sessions.full_size_logits import TiledLogits
from service.sessions.resources import IMAGES_AT_ONCE, ModelResources
from service.sessions.scale import tile_view
from service.sessions.tile_grid import Grid

# Costs are learned of images alone as well, which take up to so many times as long as in batches.
_MAX_BATCH_GAIN = 3.0
_MAX_PAIRS_AT_ONCE = 32  # of a tile and a class, in one call to the engine


class Tiles(NamedTuple):
    """The tiles of one side, and the names of the classes to look for in them."""

    grid: Grid
    names: Sequence[str]


def lay_tiles(
    resources: ModelResources, sides: Mapping[int, Sequence[str]], height: int, width: int
) -> list[Tiles]:
    """The tiles of an image, by their sides and the names of the classes to look for at each."""
    max_tiles = max(1, resources.max_tiles // max(1, len(sides)))
    return [
        Tiles(Grid.over(height, width, side, max_tiles=max_tiles), names)
        for side, names in sides.items()
    ]


def require_time(resources: ModelResources, tiles: Sequence[Tiles], left_s: float) -> None:
    """Fail now where tiles would be cut off by the deadline anyway.

    Raises:
        DeadlineExceededError.
    """
    engine, number = resources.engine, sum(each.grid.tiles for each in tiles)
    cost_s = (
        sum(engine.cost_s(each.grid.tiles, len(each.names)) for each in tiles) / _MAX_BATCH_GAIN
    )
    left_s = max(0.0, left_s)
    if cost_s > left_s:
        raise DeadlineExceededError(
            f"{number} tiles would take at least {cost_s:.0f} s, and {left_s:.0f} s are "
            "left; ask with mode=whole, send smaller images, or make a job of them"
        )


async def segment_tiles(
    resources: ModelResources,
    image: NDArray[np.uint8],
    tiles: Sequence[Tiles],
    classes: Mapping[str, SupportSet],
) -> dict[str, TiledLogits]:
    """What the tiles show of each class; in batches, each of which ends with the request.

    Args:
        resources: of the use cases.
        image: (H, W, 3) at full size.
        tiles: of the image.
        classes: by name.

    Raises:
        NotReadyError, QueueFullError, DeadlineExceededError, InferenceError.
    """
    manifest = resources.engine.manifest
    found: dict[str, TiledLogits] = {}
    for grid, names in tiles:
        views = [tile_view(classes[name], manifest.input_side) for name in names]
        predictions = await _segment(resources, image, grid, [view.supports for view in views])
        for number, name in enumerate(names):
            found[name] = TiledLogits(
                image,
                grid,
                predictions.logits[:, number],
                predictions.presence[:, number],
                manifest.presence_threshold,
                manifest.input_side,
            )
    return found


async def _segment(
    resources: ModelResources, image: NDArray[np.uint8], grid: Grid, classes: Sequence[SupportSet]
) -> Predictions:
    """Logits (T, P, h, h) and presence (T, P) of all tiles."""
    boxes = list(grid.boxes())
    predictions: list[Predictions] = []
    # Few pairs at a time too: with many classes, eight tiles would take seconds.
    tiles_at_once = min(IMAGES_AT_ONCE, max(1, _MAX_PAIRS_AT_ONCE // len(classes)))
    for start in range(0, len(boxes), tiles_at_once):
        part = boxes[start : start + tiles_at_once]
        crop = partial(_crop, image, part, resources.engine.manifest.input_side)
        tiles = await resources.pool.run(crop)
        predictions.append(await resources.engine.segment(tiles, classes))
    return Predictions(*(np.concatenate(parts) for parts in zip(*predictions, strict=True)))


def _crop(
    image: NDArray[np.uint8], boxes: Sequence[tuple[slice, slice]], side: int
) -> list[ImageU8]:
    return [resize_image(np.ascontiguousarray(image[box]), side) for box in boxes]
