"""In which tiles of an image to look for which classes, and whether there is time to."""

from collections.abc import Sequence

from model.contract import logit
from service.errors import DeadlineExceededError
from service.sessions.resources import ModelResources
from service.sessions.scale import WholeImageResult, tile_sides
from service.sessions.segment_request import SegmentRequest
from service.sessions.segmented_image import SegmentedImage, Tiles
from service.sessions.tile_grid import Grid

# Costs are learned of images alone as well, which take up to so many times as long as in batches.
_MAX_BATCH_GAIN = 3.0


def plan_tiles(request: SegmentRequest, image: SegmentedImage) -> SegmentedImage:
    """The image with its tiles, by what the network says of the whole, uncorrected by pixels."""
    height, width = image.query.height, image.query.width
    if image.query.file is None or max(height, width) <= request.input_side:
        return image
    threshold_logit = logit(request.resources.threshold)
    results = {
        each.name: WholeImageResult(
            request.classes[each.name].tile_view,
            found=each.present and bool(whole.logits.max() >= threshold_logit),
            fitted_side=None
            if whole.classifier is None
            else request.classes[each.name].supports.side,
        )
        for each, whole in zip(image.predictions, image.wholes, strict=True)
    }
    sides = tile_sides(
        request.form.mode, results, height=height, width=width, input_side=request.input_side
    )
    max_tiles = max(1, request.resources.max_tiles // max(1, len(sides)))
    tiles = [
        Tiles(
            Grid.over(height, width, side, max_tiles=max_tiles),
            [request.classes[name] for name in names],
        )
        for side, names in sides.items()
    ]
    return image._replace(tiles=tiles)


def require_time(resources: ModelResources, tiles: Sequence[Tiles], left_s: float) -> None:
    """Fail now where tiles would be cut off by the deadline anyway.

    Raises:
        DeadlineExceededError.
    """
    engine, number = resources.engine, sum(each.grid.tiles for each in tiles)
    cost_s = (
        sum(engine.cost_s(each.grid.tiles, len(each.classes)) for each in tiles) / _MAX_BATCH_GAIN
    )
    left_s = max(0.0, left_s)
    if cost_s > left_s:
        raise DeadlineExceededError(
            f"{number} tiles would take at least {cost_s:.0f} s, and {left_s:.0f} s are "
            "left; ask with mode=whole, send smaller images, or make a job of them"
        )
