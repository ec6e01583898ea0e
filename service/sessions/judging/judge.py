"""Judges supports when they are registered: their images are kept no longer than that."""

from collections.abc import Sequence
from functools import partial
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.contract import SupportPrototype, SupportSet
from model.runtime import PixelColours, correct, mirrored
from service.engine import Engine, Predictions
from service.sessions.judging.repeats import appearance
from service.sessions.judging.rows import MAX_OTHERS, Judgement
from service.sessions.judging.signals import (
    Prediction,
    iou_at,
    iou_by_threshold,
    measure,
    prototype_similarity,
    sides_touched,
)
from service.sessions.pool import CodecPool
from service.sessions.uploads import View
from service.telemetry import stage

Shots = tuple[SupportPrototype, ...]


class _Seen(NamedTuple):
    """An image of new shots.

    view: with all of their objects.
    shots: those of the image.
    others: what they are predicted from.
    lone: there are no other shots than their mirror image.
    """

    view: View
    shots: Shots
    others: Shots
    lone: bool = False


async def judge(
    engine: Engine,
    pool: CodecPool,
    supports: Sequence[View],
    images: Sequence[int],
    registered: SupportSet,
    known: SupportSet | None,
) -> NDArray[np.float32]:
    """Rows (K, J) of new shots, each predicted from the shots there are and those it came with.

    Shots of one image count as one with all their objects, as they do for a refit: none is
    predicted from another, and the objects of all are the truth.

    The IoU of an adapted class is measured as adapted. That was fitted to the shot, though, so
    suspicion goes by the network without it.

    Args:
        engine: the one that registered the shots.
        pool: whose threads do the arithmetic.
        supports: images and masks of the new shots.
        images: for each shot, the position of the first of its image.
        registered: the class of the new shots.
        known: the class as it was before, if it existed.

    Raises:
        NotReadyError, QueueFullError, DeadlineExceededError, InferenceError.
    """
    earlier = () if known is None else known.shots
    seen = {
        image: each if each.others else await _beside_its_mirror_image(engine, each)
        for image, each in _seen(supports, images, registered.shots, earlier).items()
    }
    adapted = registered if registered.refit is not None or known is None else known
    classes = [
        [SupportSet(each.others), SupportSet(each.shots), *_refitted(each.others, adapted.refit)]
        for each in seen.values()
    ]
    answers = await engine.segment_each([each.view.pixels for each in seen.values()], classes)
    found = dict(zip(seen, answers, strict=True))
    threshold = engine.manifest.threshold
    with stage("report"):
        rows = await pool.gather(
            partial(_row, shot, seen[image], found[image], adapted.pixel_classifier, threshold)
            for shot, image in zip(registered.shots, images, strict=True)
        )
    return np.stack(rows)


def _seen(
    supports: Sequence[View], images: Sequence[int], shots: Shots, known: Shots
) -> dict[int, _Seen]:
    """The images of new shots, each to be predicted from all shots that are not of that image.

    Of the shots known before, only repeats of the new ones are known to be of their images.
    """
    members: dict[int, list[int]] = {}
    for position, image in enumerate(images):
        members.setdefault(image, []).append(position)
    own = {image: tuple(shots[k] for k in group) for image, group in members.items()}
    seen = {}
    for image, group in members.items():
        repeated = set(map(appearance, own[image]))
        others = (
            *(other for other in known if appearance(other) not in repeated),
            *chain.from_iterable(own[each] for each in own if each != image),
        )
        mask = np.max([supports[k].mask for k in group], axis=0)
        view = supports[image]._replace(mask=mask)
        seen[image] = _Seen(view, own[image], others[-MAX_OTHERS:])
    return seen


async def _beside_its_mirror_image(engine: Engine, seen: _Seen) -> _Seen:
    """An image of which there are no others, to be predicted from its mirror image."""
    image, mask = (mirrored(pixels[None])[0] for pixels in (seen.view.pixels, seen.view.mask))
    mirror = await engine.register([image], [mask])
    return seen._replace(others=mirror.shots, lone=True)


def _refitted(others: Shots, refit: NDArray[np.float32] | None) -> list[SupportSet]:
    return [] if refit is None else [SupportSet(others, refit=refit)]


def _row(
    shot: SupportPrototype,
    seen: _Seen,
    predictions: Predictions,
    classifier: NDArray[np.float32] | None,
    threshold: float,
) -> NDArray[np.float32]:
    """The row of one shot of an image, in which it is predicted together with the others of it."""
    mask = seen.view.mask
    by_others, by_itself, *refitted = predictions.logits[0]
    served = refitted[0] if refitted else by_others
    if classifier is not None:
        served = correct(served, classifier, PixelColours(seen.view.pixels))
    prediction = Prediction(by_others, float(predictions.presence[0, 0]), by_itself)
    return Judgement(
        others=0 if seen.lone else len(seen.others),
        iou=iou_at(mask, served, threshold),
        sides=sides_touched(mask),
        signals=measure(
            seen.view.pixels,
            mask,
            prediction,
            similarity=prototype_similarity(shot, seen.others),
            threshold=threshold,
        ),
        curve=tuple(iou_by_threshold(mask, served)),
    ).to_row()
