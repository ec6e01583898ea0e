"""What the graphs of all engines in this process are run on."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model.runtime import BundleRuntime, Encoded, HeadOutput


class CountedRuns:
    """Counts from now on the runs of the encoder and its images, those of the head and its pairs.

    Warm-ups count too.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.encoder, self.images, self.head, self.pairs = 0, 0, 0, 0
        encode, head = BundleRuntime.encode, BundleRuntime.head

        def counted_encode(
            runtime: BundleRuntime, images: NDArray[np.uint8], *others: Any
        ) -> Encoded:
            self.encoder += 1
            self.images += len(images)
            return encode(runtime, images, *others)

        def counted_head(
            runtime: BundleRuntime,
            encoded: Encoded,
            image_index: NDArray[np.int64],
            *others: Any,
            keep: bool = True,
        ) -> HeadOutput:
            self.head += 1
            self.pairs += len(image_index)
            return head(runtime, encoded, image_index, *others, keep=keep)

        monkeypatch.setattr(BundleRuntime, "encode", counted_encode)
        monkeypatch.setattr(BundleRuntime, "head", counted_head)
