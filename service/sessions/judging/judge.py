"""Judges supports when they are registered: their images are kept no longer than that."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from model.contract import SupportPrototype, SupportSet
from model.runtime import mirrored
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


async def judge(
    engine: Engine,
    pool: CodecPool,
    supports: Sequence[View],
    originals: Sequence[int],
    registered: SupportSet,
    known: SupportSet | None,
) -> NDArray[np.float32]:
    """Rows (K, J) of new shots, each predicted from the shots there are and those it came with.

    The IoU of an adapted class is measured with its refit. The refit was fitted to the shot,
    though, so suspicion goes by the network without it.

    Args:
        engine: the one that registered the shots.
        pool: whose threads do the arithmetic.
        supports: images and masks of the new shots.
        originals: for each shot, the position of the first with the same image and mask; no shot is
            predicted from its repeats.
        registered: the class of the new shots.
        known: the class as it was before, if it existed.

    Raises:
        NotReadyError, QueueFullError, DeadlineExceededError, InferenceError.
    """
    earlier = () if known is None else known.shots
    asked = _others(registered.shots, originals, earlier)
    lone = [not others for others in asked]
    if any(lone):
        mirror = await _mirror(engine, supports[lone.index(True)])
        asked = [others or mirror for others in asked]
    refit = registered.refit
    if refit is None and known is not None:
        refit = known.refit
    classes = [
        [SupportSet(others), SupportSet((shot,)), *_refitted(others, refit)]
        for shot, others in zip(registered.shots, asked, strict=True)
    ]
    found = await engine.segment_each([support.pixels for support in supports], classes)
    threshold = engine.manifest.threshold
    with stage("report"):
        rows = await pool.gather(
            partial(_row, support, shot, others, predictions, threshold, alone)
            for support, shot, others, predictions, alone in zip(
                supports, registered.shots, asked, found, lone, strict=True
            )
        )
    return np.stack(rows)


def _others(shots: Shots, originals: Sequence[int], known: Shots) -> list[Shots]:
    """For each new shot, the shots it is predicted from: all but itself and its repeats."""
    return [
        (
            *(other for other in known if appearance(other) != appearance(shot)),
            *(shots[j] for j, first in enumerate(originals) if first != original),
        )[-MAX_OTHERS:]
        for shot, original in zip(shots, originals, strict=True)
    ]


async def _mirror(engine: Engine, support: View) -> Shots:
    """The mirror image of a shot, from which it is predicted where there are no others."""
    image, mask = (mirrored(pixels[None])[0] for pixels in (support.pixels, support.mask))
    return (await engine.register([image], [mask])).shots


def _refitted(others: Shots, refit: NDArray[np.float32] | None) -> list[SupportSet]:
    return [] if refit is None else [SupportSet(others, refit)]


def _row(
    support: View,
    shot: SupportPrototype,
    others: Shots,
    predictions: Predictions,
    threshold: float,
    lone: bool,
) -> NDArray[np.float32]:
    by_others, by_itself, *refitted = predictions.logits[0]
    served = refitted[0] if refitted else by_others
    prediction = Prediction(by_others, float(predictions.presence[0, 0]), by_itself)
    return Judgement(
        others=0 if lone else len(others),
        iou=iou_at(support.mask, served, threshold),
        sides=sides_touched(support.mask),
        signals=measure(
            support.pixels,
            support.mask,
            prediction,
            similarity=prototype_similarity(shot, others),
            threshold=threshold,
        ),
        curve=tuple(iou_by_threshold(support.mask, served)),
    ).to_row()
