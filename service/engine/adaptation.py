"""Adaptation of a class to its supports."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from model.contract import SupportPrototype, SupportSet
from model.runtime import Adapt, Adaptation, SupportImages, adapt_to
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
    """The shots with what corrects the answer for them, if it is to be; see `adapt_to`.

    Args:
        pipeline: whose device does the work.
        images: of the K supports.
        masks: of the K supports.
        shots: their prototypes.
        adapt: whether to adapt.
        deadline_at: on the pipeline's clock.

    Raises:
        NotReadyError, DeadlineExceededError, InferenceError.
    """
    shown = await pipeline.fit(partial(SupportImages.of, images, masks, shots))
    single, supports = shown.single, shown
    if single:
        pixels, mask = shown.mirrored()
        mirror_shots = await pipeline.register([pixels[0]], [mask[0]], deadline_at)
        supports = shown.extended(pixels, mask, mirror_shots)
    encoded = await pipeline.encode_supports("adapt", list(supports.pixels), deadline_at)
    outputs = await pipeline.cells("adapt", encoded, supports.left_out_classes(), deadline_at)
    manifest = pipeline.manifest

    def fit() -> Adaptation:
        logits, cells = (np.concatenate(parts) for parts in zip(*outputs, strict=True))
        predictions = supports.predictions(cells, logits, encoded, manifest, single=single)
        return adapt_to(shown, predictions, adapt, threshold=manifest.threshold)

    adaptation = await pipeline.fit(fit)
    return SupportSet(shots, **adaptation._asdict())
