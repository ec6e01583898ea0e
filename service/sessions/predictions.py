"""Turns the engine's output for an image (whole, close-ups, tiles) into a prediction per class."""

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from model.contract import logit
from service.engine import Predictions
from service.sessions.close_ups import (
    Candidate,
    CloseUpPrediction,
    combined_presence,
    in_reach,
    segment_close_ups,
)
from service.sessions.decoded import QueryImage
from service.sessions.full_size_logits import TiledLogits, WholeLogits
from service.sessions.labelling import ClassPrediction
from service.sessions.scale import WholeImageResult, tile_sides, tile_view
from service.sessions.segment_request import SegmentRequest
from service.sessions.tile_search import Tiles, lay_tiles

_PRESENCE_DIGITS = 6  # behind them it differs with the images of the same batch


def predict_whole(
    request: SegmentRequest, output: Predictions, position: int
) -> list[ClassPrediction]:
    """One prediction per class, by `images[position]` as a whole."""
    return [
        ClassPrediction(
            number,
            name,
            WholeLogits(logits),
            presence,
            presence >= request.presence_threshold,
            request.view_thresholds[name].whole,
        )
        for number, (name, logits, presence) in enumerate(
            zip(
                request.selection.classes,
                output.logits[position],
                map(_rounded, output.presence[position].tolist()),
                strict=True,
            ),
            start=1,
        )
    ]


def plan_tiles(
    request: SegmentRequest,
    query: QueryImage,
    logits: NDArray[np.float32],
    predictions: Sequence[ClassPrediction],
) -> Sequence[Tiles]:
    """The tiles of an image, by `logits` (P, h, h) of the whole and the `predictions` from them."""
    if query.file is None or max(query.height, query.width) <= request.input_side:
        return []
    marked = logits.max(axis=(1, 2)) >= logit(request.resources.threshold)  # (P,)
    results = {
        each.name: WholeImageResult(
            request.selection.classes[each.name], each.present and bool(found)
        )
        for each, found in zip(predictions, marked.tolist(), strict=True)
    }
    sides = tile_sides(
        request.form.mode,
        results,
        height=query.height,
        width=query.width,
        input_side=request.input_side,
    )
    return lay_tiles(request.resources, sides, query.height, query.width)


async def predict_close_ups(
    request: SegmentRequest,
    queries: Sequence[QueryImage],
    output: Predictions,
    wholes: Sequence[Sequence[ClassPrediction]],
    layouts: Sequence[Sequence[Tiles]],
) -> list[list[ClassPrediction]]:
    """The predictions of each image, improved by close-ups of what the whole shows small."""
    candidates = [
        _candidates(request, logits, predictions, tiles)
        for logits, predictions, tiles in zip(output.logits, wholes, layouts, strict=True)
    ]
    close_ups = await segment_close_ups(
        request.resources, queries, candidates, request.selection.classes
    )
    return [
        [_with_close_up(request, whole, close_ups.get((k, whole.name))) for whole in each]
        for k, each in enumerate(wholes)
    ]


def _candidates(
    request: SegmentRequest,
    logits: NDArray[np.float32],
    predictions: Sequence[ClassPrediction],
    tiles: Sequence[Tiles],
) -> list[Candidate]:
    """The classes of an image that may be sent and do not come from tiles.

    Args:
        request: what is asked for.
        logits: (P, h, h) of the whole, in the order of `predictions`.
        predictions: of the whole.
        tiles: of the image.
    """
    tiled = set(chain.from_iterable(each.names for each in tiles))

    def candidate(whole: ClassPrediction, whole_logits: NDArray[np.float32]) -> Candidate:
        reachable = in_reach(whole.presence, request.presence_threshold)
        thresholds = map(logit, request.view_thresholds[whole.name])
        return Candidate(whole.name, whole.present, reachable, whole_logits, *thresholds)

    found = [
        candidate(whole, each)
        for whole, each in zip(predictions, logits, strict=True)
        if whole.name not in tiled
    ]
    return [each for each in found if request.form.absent != "drop" or each.in_reach]


def _with_close_up(
    request: SegmentRequest, whole: ClassPrediction, close_up: CloseUpPrediction | None
) -> ClassPrediction:
    """The prediction of the whole, combined with that of close-ups if there are any."""
    if close_up is None:
        return whole
    presence = _rounded(combined_presence(whole.presence, close_up.presence))
    present = presence >= request.presence_threshold
    return whole._replace(logits=close_up.logits, presence=presence, present=present)


def with_tiles(
    request: SegmentRequest, whole: ClassPrediction, tiled: TiledLogits
) -> ClassPrediction:
    """The prediction of the tiles; a class that is in one of them is in the image."""
    supports = request.selection.classes[whole.name]
    view = tile_view(supports, request.input_side).supports
    presence = _rounded(float(tiled.presence.max()))
    return whole._replace(
        logits=tiled,
        presence=presence,
        present=presence >= tiled.presence_threshold,
        threshold=request.thresholds.of(supports, view),
    )


def _rounded(presence: float) -> float:
    return round(presence, _PRESENCE_DIGITS)
