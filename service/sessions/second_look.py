"""Classes that the whole image shows small, looked for once more where they were marked."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.contract import SupportSet, logit, sigmoid, upsample_logits
from model.runtime import Window, find_windows
from service.engine import ImageU8
from service.sessions.decoded import QueryImage
from service.sessions.mosaic import NearLogits
from service.sessions.resources import IMAGES_AT_ONCE, ModelResources
from service.sessions.uploads import read_windows
from service.telemetry import stage

_MOST_OF_AN_IMAGE = 8  # windows of all its classes; what is smallest gains most
_MOST_SHIFT = 1.0  # of the logit of a presence
_SURE = 1e-6  # how near to 0 or 1 a presence is taken to be at most


class Candidate(NamedTuple):
    """A class by its name in an image, and its logits (h, h) of the whole.

    present: as far as the whole tells; `in_reach`: whether windows could still make it so.
    cut: the least logit of a marked pixel in the whole; `near_cut`: in windows, by the near view.
    """

    name: str
    present: bool
    in_reach: bool
    logits: NDArray[np.float32]
    cut: float
    near_cut: float


class Near(NamedTuple):
    """What was seen of a class from near: its logits, and the presence of the likeliest window."""

    logits: NearLogits
    presence: float


class _Glance(NamedTuple):
    """What one window shows of a class: logits (h, h), and its presence."""

    window: Window
    logits: NDArray[np.float32]
    presence: float


class _Look(NamedTuple):
    """A part of `images[position]` in which to look for a class."""

    position: int
    name: str
    window: Window


async def look_again(
    resources: ModelResources,
    queries: Sequence[QueryImage],
    candidates: Sequence[Sequence[Candidate]],
    classes: Mapping[str, SupportSet],
) -> Mapping[tuple[int, str], Near]:
    """What is seen from near, by the position of the image and the name of the class.

    Args:
        resources: of the use cases.
        queries: those without a file are not looked at again.
        candidates: for each query the classes that may be worth it.
        classes: by name.

    Raises:
        ServiceError: what reading an image or asking the engine does.
    """
    side = resources.engine.manifest.input_side
    files = {k: query.file for k, query in enumerate(queries) if query.file is not None}
    found = await resources.pool.gather(
        partial(_find_looks, k, queries[k], candidates[k], side) for k in files if candidates[k]
    )
    with stage("decode"):
        parts = await resources.pool.gather(
            partial(_read, resources, files[looks[0].position], looks) for looks in found if looks
        )
    flat = [look for looks in found for look in looks]
    seen = await _ask(resources, flat, [pixels for each in parts for pixels in each], classes)
    whole = {(k, each.name): each for k, asked in enumerate(candidates) for each in asked}
    return {
        key: Near(
            NearLogits(
                whole[key].logits,
                [(each.window, each.logits) for each in glances],
                _shift(whole[key]),
            ),
            max(each.presence for each in glances),
        )
        for key, glances in seen.items()
    }


def presence_by_both(whole: float, near: float) -> float:
    """How likely a class is in an image, by the whole and by its likeliest window.

    The mean of both on the scale of logits, yet no further than 1 from what the whole says: the
    likeliest of several windows is likely by chance.
    """
    before = _logit(whole)
    shift = (_logit(near) - before) / 2
    return sigmoid(before + min(max(shift, -_MOST_SHIFT), _MOST_SHIFT))


def in_reach(presence: float, least: float) -> bool:
    """Whether the best possible windows could lift `presence` to `least`."""
    return _logit(presence) + _MOST_SHIFT >= _logit(least)


def _logit(presence: float) -> float:
    return logit(min(max(presence, _SURE), 1 - _SURE))


def _shift(candidate: Candidate) -> float:
    """What to add to logits of windows, so that they are cut where those of the whole are."""
    if candidate.near_cut == candidate.cut:  # infinite where the threshold is 0 or 1
        return 0.0
    return candidate.cut - candidate.near_cut


def _find_looks(
    position: int, query: QueryImage, candidates: Sequence[Candidate], side: int
) -> Sequence[_Look]:
    """Where to look again in one image; for a class in all of its windows, or in none."""
    by_class: list[tuple[tuple[bool, bool, int], list[_Look]]] = []
    for each in candidates:
        marked = upsample_logits(each.logits, side, side) >= each.cut
        windows = find_windows(marked, query.height, query.width)
        looks = [_Look(position, each.name, window) for window in windows]
        area = sum(window.area for window in windows)
        # What is never sent with `absent=drop` takes no window from what may be.
        by_class.append(((not each.present, not each.in_reach, area), looks))
    by_class.sort(key=lambda entry: entry[0])
    chosen: list[_Look] = []
    for _, looks in by_class:
        if len(chosen) + len(looks) <= _MOST_OF_AN_IMAGE:
            chosen += looks
    return chosen


def _read(
    resources: ModelResources, file: bytes, looks: Sequence[_Look]
) -> list[NDArray[np.uint8]]:
    return read_windows(
        file,
        looks[0].position,
        [look.window for look in looks],
        side=resources.engine.manifest.input_side,
        max_pixels=resources.max_pixels,
        gate=resources.gate,
        decoded=resources.decoded,
    )


async def _ask(
    resources: ModelResources,
    looks: Sequence[_Look],
    parts: Sequence[ImageU8],
    classes: Mapping[str, SupportSet],
) -> Mapping[tuple[int, str], Sequence[_Glance]]:
    """By image and class, what each window shows."""
    seen: defaultdict[tuple[int, str], list[_Glance]] = defaultdict(list)
    for start in range(0, len(looks), IMAGES_AT_ONCE):
        by_class: defaultdict[str, list[int]] = defaultdict(list)
        for number, look in enumerate(looks[start : start + IMAGES_AT_ONCE], start=start):
            by_class[look.name].append(number)
        asked = [
            asyncio.ensure_future(
                resources.engine.segment([parts[k] for k in numbers], [classes[name].near])
            )
            for name, numbers in by_class.items()
        ]
        try:
            found = await asyncio.gather(*asked)
        finally:
            for each in asked:  # where one has failed, nobody waits for the others
                each.cancel()
        for numbers, answer in zip(by_class.values(), found, strict=True):
            shown = zip(numbers, answer.logits[:, 0], answer.presence[:, 0], strict=True)
            for number, logits, presence in shown:
                look = looks[number]
                glance = _Glance(look.window, logits, float(presence))
                seen[look.position, look.name].append(glance)
    return seen
