"""Classes that the whole image shows small, segmented once more in close-ups of what was marked."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.contract import SupportSet, clipped_logit, sigmoid, upsample_logits
from model.runtime import Window, find_windows
from service.engine import ImageU8
from service.sessions.decoded import QueryImage
from service.sessions.full_size_logits import CloseUpLogits
from service.sessions.resources import IMAGES_AT_ONCE, ModelResources
from service.telemetry import stage

_MAX_WINDOWS = 8  # in an image, of all its classes; what is smallest gains most
_MAX_SHIFT = 1.0  # of the logit of a presence


class Candidate(NamedTuple):
    """A class by its name in an image, and its logits (h, h) of the whole.

    present: as far as the whole tells.
    in_reach: whether close-ups could still make it present.
    threshold_logit: the smallest logit of a marked pixel in the whole image.
    close_up_threshold_logit: the same in close-ups.
    search_logit: the smallest logit of the whole image that a close-up is taken of.
    """

    name: str
    present: bool
    in_reach: bool
    logits: NDArray[np.float32]
    threshold_logit: float
    close_up_threshold_logit: float
    search_logit: float


class CloseUpPrediction(NamedTuple):
    """What close-ups show of a class: its logits, and the presence of the likeliest window."""

    logits: CloseUpLogits
    presence: float


class _WindowQuery(NamedTuple):
    """A window of `images[position]` in which to segment a class."""

    position: int
    name: str
    window: Window


class _WindowPrediction(NamedTuple):
    """What one window shows of a class: logits (h, h), and its presence."""

    window: Window
    logits: NDArray[np.float32]
    presence: float


async def segment_close_ups(
    resources: ModelResources,
    queries: Sequence[QueryImage],
    candidates: Sequence[Sequence[Candidate]],
    classes: Mapping[str, SupportSet],
) -> Mapping[tuple[int, str], CloseUpPrediction]:
    """What close-ups show, by the position of the image and the name of the class.

    Args:
        resources: of the use cases.
        queries: those without a file get no close-ups.
        candidates: for each query the classes that may be worth it.
        classes: by name.

    Raises:
        ServiceError: raised by reading an image or by the engine.
    """
    side = resources.engine.manifest.input_side
    files = {k: query.file for k, query in enumerate(queries) if query.file is not None}
    by_image = await resources.pool.gather(
        partial(_find_windows, k, queries[k], candidates[k], side) for k in files if candidates[k]
    )
    with stage("decode"):
        crops = await resources.pool.gather(
            partial(
                resources.reader.windows,
                files[windows[0].position],
                windows[0].position,
                [each.window for each in windows],
                side=side,
            )
            for windows in by_image
            if windows
        )
    flat = [query for windows in by_image for query in windows]
    predictions = await _segment(
        resources, flat, [pixels for each in crops for pixels in each], classes
    )
    whole = {(k, each.name): each for k, asked in enumerate(candidates) for each in asked}
    return {
        key: CloseUpPrediction(
            CloseUpLogits(
                whole[key].logits,
                [(each.window, each.logits) for each in in_windows],
                _shift(whole[key]),
            ),
            max(each.presence for each in in_windows),
        )
        for key, in_windows in predictions.items()
    }


def combined_presence(whole: float, close_up: float) -> float:
    """The probability that a class is in an image, by the whole and by its likeliest close-up.

    The mean of both on the scale of logits, yet no further than 1 from what the whole says: the
    likeliest of several windows is likely by chance.
    """
    before = clipped_logit(whole)
    shift = (clipped_logit(close_up) - before) / 2
    return sigmoid(before + min(max(shift, -_MAX_SHIFT), _MAX_SHIFT))


def in_reach(presence: float, presence_threshold: float) -> bool:
    """Whether the best possible close-ups could lift `presence` to its threshold."""
    return clipped_logit(presence) + _MAX_SHIFT >= clipped_logit(presence_threshold)


def _shift(candidate: Candidate) -> float:
    """What to add to logits of close-ups, so that the threshold of the whole is right for them."""
    whole, close_up = candidate.threshold_logit, candidate.close_up_threshold_logit
    if close_up == whole:  # infinite where the threshold is 0 or 1
        return 0.0
    return whole - close_up


def _find_windows(
    position: int, query: QueryImage, candidates: Sequence[Candidate], side: int
) -> Sequence[_WindowQuery]:
    """The windows of one image; a class is segmented in all of its windows, or in none."""
    by_class: list[tuple[tuple[bool, bool, int], list[_WindowQuery]]] = []
    for each in candidates:
        marked = upsample_logits(each.logits, side, side) >= each.search_logit
        windows = find_windows(marked, query.height, query.width)
        queries = [_WindowQuery(position, each.name, window) for window in windows]
        area = sum(window.area for window in windows)
        # What is never sent with `absent=drop` takes no window from what may be.
        by_class.append(((not each.present, not each.in_reach, area), queries))
    by_class.sort(key=lambda entry: entry[0])
    chosen: list[_WindowQuery] = []
    for _, queries in by_class:
        if len(chosen) + len(queries) <= _MAX_WINDOWS:
            chosen += queries
    return chosen


async def _segment(
    resources: ModelResources,
    queries: Sequence[_WindowQuery],
    crops: Sequence[ImageU8],
    classes: Mapping[str, SupportSet],
) -> Mapping[tuple[int, str], Sequence[_WindowPrediction]]:
    """By image and class, what each window shows."""
    found: defaultdict[tuple[int, str], list[_WindowPrediction]] = defaultdict(list)
    for start in range(0, len(queries), IMAGES_AT_ONCE):
        by_class: defaultdict[str, list[int]] = defaultdict(list)
        for number, query in enumerate(queries[start : start + IMAGES_AT_ONCE], start=start):
            by_class[query.name].append(number)
        calls = [
            asyncio.ensure_future(
                resources.engine.segment(
                    [crops[k] for k in numbers], [classes[name].close_up_or_self]
                )
            )
            for name, numbers in by_class.items()
        ]
        try:
            predictions = await asyncio.gather(*calls)
        finally:
            for call in calls:  # where one has failed, nobody waits for the others
                call.cancel()
        for numbers, each in zip(by_class.values(), predictions, strict=True):
            rows = zip(numbers, each.logits[:, 0], each.presence[:, 0], strict=True)
            for number, logits, presence in rows:
                query = queries[number]
                prediction = _WindowPrediction(query.window, logits, float(presence))
                found[query.position, query.name].append(prediction)
    return found
