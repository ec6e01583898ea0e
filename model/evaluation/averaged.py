"""Test-time averaging: the multi-scale test of the paper (section IV-C), and mirrored queries."""

import math
from collections.abc import Hashable, Iterator, Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from model.contract import upsample_logits
from model.evaluation.prediction import Prediction
from model.evaluation.segmenter import Segmenter


class AveragedSegmenter:
    """Averages the foreground probabilities of several segmenters, and of the mirrored query.

    Probabilities are averaged at the size at which they are compared with labels, so that no scale
    is preferred.

    Args:
        members: one for each scale.
        flip: segment the mirrored query as well.
        side: compare at this square side; None: at the images' own size.
    """

    def __init__(self, members: Sequence[Segmenter], *, flip: bool, side: int | None) -> None:
        self._members, self._flip, self._side = tuple(members), flip, side

    def add_support(
        self, key: Hashable, image: NDArray[np.uint8], mask: NDArray[np.bool_]
    ) -> tuple[object, ...]:
        """See `Segmenter`."""
        return tuple(member.add_support(key, image, mask) for member in self._members)

    def segment(
        self, key: Hashable, image: NDArray[np.uint8], supports: Sequence[object]
    ) -> Prediction:
        """See `Segmenter`."""
        height, width = (self._side, self._side) if self._side else image.shape[:2]
        shots = cast(Sequence[tuple[object, ...]], supports)
        # In double precision, where a probability rounds to 1 only beyond a logit of 36.
        views = list(self._views(key, image, shots))
        probabilities = [
            expit(upsample_logits(view.logits, height, width).astype(np.float64)) for view in views
        ]
        return Prediction(
            np.asarray(logit(np.mean(probabilities, axis=0)), dtype=np.float32),
            float(np.mean([view.presence for view in views])),
        )

    def _views(
        self, key: Hashable, image: NDArray[np.uint8], shots: Sequence[tuple[object, ...]]
    ) -> Iterator[Prediction]:
        """Predictions of every member, mirrored back to the frame of the image."""
        mirrored = np.ascontiguousarray(image[:, ::-1])
        for member, own in zip(self._members, zip(*shots, strict=True), strict=True):
            yield member.segment(key, image, own)
            if self._flip:
                flipped = member.segment((key, "mirrored"), mirrored, own)
                logits = np.ascontiguousarray(flipped.logits[:, ::-1])
                yield flipped._replace(logits=logits)


def side_at_scale(side: int, scale: float, stride: int) -> int:
    """The input side nearest to `scale` times `side` that is a multiple of the stride plus one.

    That is the form of the paper's 473 = 59 * 8 + 1, in which feature cells sit on input pixels.

    Raises:
        ValueError: the scale is not positive and finite.
    """
    if not 0 < scale < math.inf:
        raise ValueError(f"a scale is a positive number, not {scale:g}")
    return side if scale == 1 else max(1, round((scale * side - 1) / stride)) * stride + 1
