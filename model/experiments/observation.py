"""A prediction with the maps behind it."""

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from model.evaluation import Segmenter
from model.segmenters import EagerSegmenter


class Observation(NamedTuple):
    """A prediction at feature resolution; a map that the segmenter does not expose is None.

    logits: foreground (h, w).
    attention: SAAM's query attention (h, w), in (0, 1) but for the reference arithmetic.
    prior: the training-free prior (h, w) in [0, 1].
    """

    logits: NDArray[np.float32]
    attention: NDArray[np.float32] | None
    prior: NDArray[np.float32] | None


def observe(
    segmenter: Segmenter, key: Hashable, image: NDArray[np.uint8], supports: Sequence[object]
) -> Observation:
    """Segment a query; a bundle gives logits alone."""
    if not isinstance(segmenter, EagerSegmenter):
        return Observation(segmenter.segment(key, image, supports).logits, None, None)
    matched = segmenter.match(key, image, supports)
    background, foreground = matched.logits[0]
    return Observation(
        (foreground - background).numpy(), _plane(matched.attention), _plane(matched.prior)
    )


def _plane(part: Tensor | None) -> NDArray[np.float32] | None:
    """The map (h, w) inside a tensor (1, 1, h, w)."""
    return None if part is None else np.asarray(part[0, 0].numpy(), dtype=np.float32)
