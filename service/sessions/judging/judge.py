"""Supports judged when they are registered: the one moment at which their images are there."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from model.contract import SupportPrototype, SupportSet
from model.runtime import mirrored
from service.engine import Answers, Engine
from service.sessions.judging.rows import MOST_OTHERS, Judgement
from service.sessions.judging.signals import (
    Prediction,
    compare,
    iou_at,
    iou_by_threshold,
    measure,
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
    registered: SupportSet,
    known: SupportSet | None,
) -> NDArray[np.float32]:
    """Rows (K, J) of new shots, each predicted from the shots there are and those it came with.

    An adapted class answers with its refit, and so is its IoU; the refit has seen the shot, though,
    so suspicion goes by the network as it is.

    Args:
        engine: that registered them.
        pool: for the arithmetic.
        supports: pixels and masks of the new shots.
        registered: their class.
        known: what the class held before.
    """
    asked = await _others(engine, supports, registered.shots, () if known is None else known.shots)
    refit = registered.refit
    if refit is None and known is not None:
        refit = known.refit
    classes = [
        [SupportSet(others), SupportSet((shot,)), *_refitted(others, refit)]
        for shot, others in zip(registered.shots, asked, strict=True)
    ]
    found = await engine.examine([support.pixels for support in supports], classes)
    lone = len(registered.shots) == 1 and known is None
    threshold = engine.manifest.threshold
    with stage("report"):
        rows = await pool.gather(
            partial(_row, support, shot, others, answers, threshold, lone)
            for support, shot, others, answers in zip(
                supports, registered.shots, asked, found, strict=True
            )
        )
    return np.stack(rows)


async def _others(
    engine: Engine, supports: Sequence[View], shots: Shots, known: Shots
) -> list[Shots]:
    """For each new shot those that it is predicted from; a lone one's mirror image."""
    if len(shots) == 1 and not known:
        image, mask = (
            mirrored(pixels[None])[0] for pixels in (supports[0].pixels, supports[0].mask)
        )
        return [(await engine.register([image], [mask])).shots]
    return [(*known, *shots[:k], *shots[k + 1 :])[-MOST_OTHERS:] for k in range(len(shots))]


def _refitted(others: Shots, refit: NDArray[np.float32] | None) -> list[SupportSet]:
    return [] if refit is None else [SupportSet(others, refit)]


def _row(
    support: View,
    shot: SupportPrototype,
    others: Shots,
    answers: Answers,
    threshold: float,
    lone: bool,
) -> NDArray[np.float32]:
    by_others, by_itself, *refitted = answers.logits[0]
    served = refitted[0] if refitted else by_others
    prediction = Prediction(by_others, float(answers.presence[0, 0]), by_itself)
    return Judgement(
        others=0 if lone else len(others),
        iou=iou_at(support.mask, served, threshold),
        sides=sides_touched(support.mask),
        signals=measure(
            support.pixels,
            support.mask,
            prediction,
            alike=compare(shot, others),
            threshold=threshold,
        ),
        curve=tuple(iou_by_threshold(support.mask, served)),
    ).to_row()
