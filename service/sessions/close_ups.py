"""Classes that the whole image shows small, segmented once more in close-ups of what was marked."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

from model.contract import clipped_logit, logit, sigmoid
from model.runtime import PixelColours, Window, find_windows
from service.engine import Engine, ImageU8
from service.sessions.full_size_logits import CloseUpLogits, SeenLogits
from service.sessions.labelling import ClassPrediction
from service.sessions.resources import IMAGES_AT_ONCE
from service.sessions.segment_request import AskedClass, SegmentRequest
from service.sessions.segmented_image import SegmentedImage, predict
from service.telemetry import stage

_MAX_WINDOWS = 8  # in an image, of all its classes; what is smallest gains most
_MAX_SHIFT = 1.0  # of the logit of a presence


class _Candidate(NamedTuple):
    """A class that close-ups may be taken for, as the whole shows it.

    in_reach: whether close-ups could still make it present.
    """

    asked: AskedClass
    whole: ClassPrediction
    in_reach: bool


class _Windows(NamedTuple):
    """The windows of the image at `position`, each with the class to look for; file: its bytes."""

    position: int
    file: bytes
    chosen: Sequence[tuple[AskedClass, Window]]


class _CloseUp(NamedTuple):
    """A window of the image at `position`, to look for a class in; pixels: (S, S, 3)."""

    position: int
    asked: AskedClass
    window: Window
    pixels: ImageU8


class _CloseUpPrediction(NamedTuple):
    """What one close-up shows of a class, and its presence."""

    window: Window
    logits: SeenLogits
    presence: float


_Found = Mapping[str, Sequence[_CloseUpPrediction]]  # in one image, by class


async def add_close_ups(
    request: SegmentRequest, images: Sequence[SegmentedImage]
) -> list[SegmentedImage]:
    """The images, improved by close-ups of what the whole shows small and no tiles will.

    Raises:
        ServiceError: raised by reading an image or by the engine.
    """
    windows = await _choose_windows(request, images)
    close_ups = await _crop(request, windows)
    found = await _segment(request.resources.engine, close_ups)
    return [_improved(request, image, found.get(image.position, {})) for image in images]


async def _choose_windows(
    request: SegmentRequest, images: Sequence[SegmentedImage]
) -> list[_Windows]:
    """Where to take close-ups; images without a file get none."""
    candidates = [
        (image, image.query.file, found)
        for image in images
        if image.query.file is not None and (found := _candidates(request, image))
    ]
    chosen = await request.resources.pool.gather(
        partial(_find_windows, image, found, request.input_side) for image, _, found in candidates
    )
    return [
        _Windows(image.position, file, windows)
        for (image, file, _), windows in zip(candidates, chosen, strict=True)
        if windows
    ]


def _candidates(request: SegmentRequest, image: SegmentedImage) -> list[_Candidate]:
    """The classes of an image that may be sent and do not come from tiles."""
    tiled = {asked.name for tiles in image.tiles for asked in tiles.classes}
    found = [
        _Candidate(
            request.classes[whole.name],
            whole,
            _in_reach(whole.presence, request.presence_threshold),
        )
        for whole in image.predictions
        if whole.name not in tiled
    ]
    return [each for each in found if request.form.absent != "drop" or each.in_reach]


def _find_windows(
    image: SegmentedImage, candidates: Sequence[_Candidate], side: int
) -> list[tuple[AskedClass, Window]]:
    """The windows of one image; a class is segmented in all of its windows, or in none."""
    by_class: list[tuple[tuple[bool, bool, int], AskedClass, Sequence[Window]]] = []
    with image.colours.kept():
        for asked, whole, reachable in candidates:
            marked = whole.logits.at(side, side) >= logit(asked.thresholds.search)
            windows = find_windows(marked, image.query.height, image.query.width)
            area = sum(window.area for window in windows)
            # What is never sent with `absent=drop` takes no window from what may be.
            by_class.append(((not whole.present, not reachable, area), asked, windows))
    by_class.sort(key=lambda entry: entry[0])
    chosen: list[tuple[AskedClass, Window]] = []
    for _, asked, windows in by_class:
        if len(chosen) + len(windows) <= _MAX_WINDOWS:
            chosen += [(asked, window) for window in windows]
    return chosen


async def _crop(request: SegmentRequest, by_image: Sequence[_Windows]) -> list[_CloseUp]:
    """The close-ups of all images, one image after another."""
    read = partial(request.resources.reader.windows, side=request.input_side)
    with stage("decode"):
        crops = await request.resources.pool.gather(
            partial(read, file, position, [window for _, window in chosen])
            for position, file, chosen in by_image
        )
    return [
        _CloseUp(position, asked, window, pixels)
        for (position, _, chosen), parts in zip(by_image, crops, strict=True)
        for (asked, window), pixels in zip(chosen, parts, strict=True)
    ]


async def _segment(engine: Engine, close_ups: Sequence[_CloseUp]) -> Mapping[int, _Found]:
    """By the position of the image, what each close-up shows."""
    found: defaultdict[int, defaultdict[str, list[_CloseUpPrediction]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for start in range(0, len(close_ups), IMAGES_AT_ONCE):
        by_class: defaultdict[str, list[_CloseUp]] = defaultdict(list)
        for each in close_ups[start : start + IMAGES_AT_ONCE]:
            by_class[each.asked.name].append(each)
        calls = [asyncio.ensure_future(_segment_class(engine, own)) for own in by_class.values()]
        try:
            predictions = await asyncio.gather(*calls)
        finally:
            for call in calls:  # where one has failed, nobody waits for the others
                call.cancel()
        for own, shown in zip(by_class.values(), predictions, strict=True):
            for close_up, prediction in zip(own, shown, strict=True):
                found[close_up.position][close_up.asked.name].append(prediction)
    return found


async def _segment_class(engine: Engine, close_ups: Sequence[_CloseUp]) -> list[_CloseUpPrediction]:
    """What close-ups show of the one class that they were taken for."""
    supports = close_ups[0].asked.supports.close_up_or_self
    output = await engine.segment([each.pixels for each in close_ups], [supports])
    rows = zip(close_ups, *(part[:, 0] for part in output), strict=True)
    return [
        _CloseUpPrediction(
            each.window,
            SeenLogits(
                logits,
                PixelColours(each.pixels),
                supports.pixel_classifier if corrected else None,
            ),
            float(presence),
        )
        for each, logits, presence, corrected in rows
    ]


def _improved(request: SegmentRequest, image: SegmentedImage, found: _Found) -> SegmentedImage:
    """The image, its classes combined with what close-ups show of them."""
    improved: dict[str, ClassPrediction] = {}
    for whole, seen in zip(image.predictions, image.wholes, strict=True):
        if shown := found.get(whole.name):
            asked = request.classes[whole.name]
            windows = [(each.window, each.logits) for each in shown]
            logits = CloseUpLogits(seen, windows, asked.thresholds.close_up_shift)
            likeliest = max(each.presence for each in shown)
            presence = _combined_presence(whole.presence, likeliest)
            improved[whole.name] = predict(request, whole.number, asked, logits, presence)
    return image.with_found(improved)


def _combined_presence(whole: float, close_up: float) -> float:
    """The probability that a class is in an image, by the whole and by its likeliest close-up.

    The mean of both on the scale of logits, yet no further than 1 from what the whole says: the
    likeliest of several windows is likely by chance.
    """
    before = clipped_logit(whole)
    shift = (clipped_logit(close_up) - before) / 2
    return sigmoid(before + min(max(shift, -_MAX_SHIFT), _MAX_SHIFT))


def _in_reach(presence: float, presence_threshold: float) -> bool:
    """Whether the best possible close-ups could lift `presence` to its threshold."""
    return clipped_logit(presence) + _MAX_SHIFT >= clipped_logit(presence_threshold)
