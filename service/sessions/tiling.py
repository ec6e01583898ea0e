"""Classes of one image, looked for in its tiles."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from model.contract import SupportSet, resize_image
from service.engine import Answers, ImageU8
from service.sessions.mosaic import TiledLogits
from service.sessions.resources import ModelResources
from service.sessions.tiles import Grid

# Few, so that the requests of others come in between: every batch queues anew behind them.
_BATCH = 8


async def segment_tiles(
    resources: ModelResources,
    image: NDArray[np.uint8],
    sides: Mapping[int, Sequence[str]],
    classes: Mapping[str, SupportSet],
) -> dict[str, TiledLogits]:
    """What each class's tiles say; in batches, each of which ends with the request.

    Args:
        resources: of the use cases.
        image: (H, W, 3) at full size.
        sides: tile sides, and the names of the classes to look for at each.
        classes: by name.

    Raises:
        NotReadyError, QueueFullError, DeadlineExceededError, InferenceError.
    """
    manifest = resources.engine.manifest
    height, width = image.shape[:2]
    found: dict[str, TiledLogits] = {}
    for side, names in sides.items():
        grid = Grid.over(height, width, side, max_tiles=max(1, resources.max_tiles // len(sides)))
        answers = await _ask(resources, image, grid, [classes[name].near for name in names])
        for number, name in enumerate(names):
            found[name] = TiledLogits(
                image,
                grid,
                answers.logits[:, number],
                answers.presence[:, number],
                manifest.presence_threshold,
                manifest.input_side,
            )
    return found


async def _ask(
    resources: ModelResources, image: NDArray[np.uint8], grid: Grid, classes: Sequence[SupportSet]
) -> Answers:
    """Logits (T, P, h, h) and presence (T, P) of all tiles."""
    boxes = list(grid.boxes())
    answers: list[Answers] = []
    for start in range(0, len(boxes), _BATCH):
        cut = partial(
            _cut, image, boxes[start : start + _BATCH], resources.engine.manifest.input_side
        )
        tiles = await resources.pool.run(cut)
        answers.append(await resources.engine.segment(tiles, classes))
    return Answers(*(np.concatenate(parts) for parts in zip(*answers, strict=True)))


def _cut(
    image: NDArray[np.uint8], boxes: Sequence[tuple[slice, slice]], side: int
) -> list[ImageU8]:
    return [resize_image(np.ascontiguousarray(image[box]), side) for box in boxes]
