"""What the engine shows of classes in an image to answers: of the whole, from near, from tiles."""

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from model.contract import logit
from service.engine import Answers
from service.sessions.decoded import QueryImage
from service.sessions.labelling import ClassAnswer
from service.sessions.mosaic import TiledLogits
from service.sessions.scale import Seen, tile_sides, tile_view
from service.sessions.second_look import (
    Candidate,
    Near,
    in_reach,
    look_again,
    presence_by_both,
)
from service.sessions.segment_request import SegmentRequest
from service.sessions.tile_search import Tiles, lay_tiles


def answers_of_whole(request: SegmentRequest, found: Answers, position: int) -> list[ClassAnswer]:
    """About the classes in `images[position]`, looked at as a whole."""
    return [
        ClassAnswer(
            number,
            name,
            logits,
            float(presence),
            bool(presence >= request.least_presence),
            request.cuts[name].whole,
        )
        for number, (name, logits, presence) in enumerate(
            zip(
                request.selection.classes,
                found.logits[position],
                found.presence[position],
                strict=True,
            ),
            start=1,
        )
    ]


def tiles_of(
    request: SegmentRequest,
    query: QueryImage,
    logits: NDArray[np.float32],
    answers: Sequence[ClassAnswer],
) -> Sequence[Tiles]:
    """The tiles of an image by what the whole shows, `logits` (P, h, h) of its `answers`."""
    if query.file is None or max(query.height, query.width) <= request.input_side:
        return []
    marked = logits.max(axis=(1, 2)) >= logit(request.resources.threshold)  # (P,)
    seen = {
        answer.name: Seen(request.selection.classes[answer.name], answer.present and bool(found))
        for answer, found in zip(answers, marked.tolist(), strict=True)
    }
    sides = tile_sides(
        request.form.mode,
        seen,
        height=query.height,
        width=query.width,
        input_side=request.input_side,
    )
    return lay_tiles(request.resources, sides, query.height, query.width)


async def answers_from_near(
    request: SegmentRequest,
    queries: Sequence[QueryImage],
    found: Answers,
    wholes: Sequence[Sequence[ClassAnswer]],
    layouts: Sequence[Sequence[Tiles]],
) -> list[list[ClassAnswer]]:
    """The answers of each image, once what the whole marks small was looked at from near."""
    candidates = [
        _worth_another_look(request, logits, answers, tiles)
        for logits, answers, tiles in zip(found.logits, wholes, layouts, strict=True)
    ]
    near = await look_again(request.resources, queries, candidates, request.selection.classes)
    return [
        [_seen_again(request, answer, near.get((k, answer.name))) for answer in each]
        for k, each in enumerate(wholes)
    ]


def _worth_another_look(
    request: SegmentRequest,
    logits: NDArray[np.float32],
    answers: Sequence[ClassAnswer],
    tiles: Sequence[Tiles],
) -> list[Candidate]:
    """The classes of an image that may be sent and do not come from tiles.

    Args:
        logits: (P, h, h) of the whole, in the order of `answers`.
    """
    tiled = set(chain.from_iterable(each.names for each in tiles))

    def candidate(answer: ClassAnswer, whole: NDArray[np.float32]) -> Candidate:
        reachable = in_reach(answer.presence, request.least_presence)
        cut, near = map(logit, request.cuts[answer.name])
        return Candidate(answer.name, answer.present, reachable, whole, cut, near)

    asked = [
        candidate(answer, each)
        for answer, each in zip(answers, logits, strict=True)
        if answer.name not in tiled
    ]
    return [each for each in asked if request.form.absent != "drop" or each.in_reach]


def _seen_again(request: SegmentRequest, answer: ClassAnswer, near: Near | None) -> ClassAnswer:
    """The answer of the whole, and of what was seen from near if anything was."""
    if near is None:
        return answer
    presence = presence_by_both(answer.presence, near.presence)
    present = presence >= request.least_presence
    return answer._replace(logits=near.logits, presence=presence, present=present)


def answer_from_tiles(
    request: SegmentRequest, answer: ClassAnswer, tiled: TiledLogits
) -> ClassAnswer:
    """The answer of the tiles; what is in one of them is in the image."""
    supports = request.selection.classes[answer.name]
    view = tile_view(supports, request.input_side).supports
    presence = float(tiled.presence.max())
    return answer._replace(
        logits=tiled,
        presence=presence,
        present=presence >= tiled.least_presence,
        threshold=request.thresholds.of(supports, view),
    )
