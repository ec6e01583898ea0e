"""Adaptation of a class: the head's last layer refitted to its supports."""

import asyncio
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.contract import SupportPrototype, SupportSet
from model.runtime import Adapt, SupportImages, choose_refit
from service.engine.base import Coverage, ImageU8
from service.engine.pipeline import Pipeline


async def adapt_class(
    pipeline: Pipeline,
    images: Sequence[ImageU8],
    masks: Sequence[Coverage],
    shots: tuple[SupportPrototype, ...],
    adapt: Adapt,
    deadline_at: float,
) -> SupportSet:
    """The shots with the head refitted to them, if it is to be; see `model.runtime.refit`.

    Args:
        pipeline: whose device does the work.
        images: of the K supports.
        masks: of the K supports.
        shots: their prototypes.
        adapt: whether to refit.
        deadline_at: on the pipeline's clock.

    Raises:
        NotReadyError, DeadlineExceededError, InferenceError.
    """
    supports = await asyncio.to_thread(SupportImages.of, images, masks, shots)
    single = supports.single
    if single:
        pixels, mask = supports.mirrored()
        mirror_shots = await pipeline.register([pixels[0]], [mask[0]], deadline_at)
        supports = supports.extended(pixels, mask, mirror_shots)
    encoded = await pipeline.encode_supports("adapt", list(supports.pixels), deadline_at)
    outputs = await pipeline.cells("adapt", encoded, supports.left_out_classes(), deadline_at)
    manifest = pipeline.manifest

    def fit() -> NDArray[np.float32] | None:
        logits, cells = (np.concatenate(parts) for parts in zip(*outputs, strict=True))
        predictions = supports.predictions(cells, logits, encoded[0], manifest, single=single)
        return choose_refit(predictions, adapt, threshold=manifest.threshold)

    return SupportSet(shots, await pipeline.fit(fit))
