"""What the service asks of an engine."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from model.contract import Manifest, Precision, SupportSet
from model.runtime import Adapt

ImageU8 = NDArray[np.uint8]  # (S, S, 3) RGB
Coverage = NDArray[np.float32]  # (S, S) share of each pixel that is object, in [0, 1]


class Predictions(NamedTuple):
    """What the network predicts for N images and P classes.

    logits: (N, P, h, h) foreground.
    presence: (N, P) probability that the image holds the class at all.
    corrected: (N, P) whether the class's correction is meant for the image; see `HeadOutput`.
    """

    logits: NDArray[np.float32]
    presence: NDArray[np.float32]
    corrected: NDArray[np.bool_]


class Engine(Protocol):
    """Turns supports into prototypes and query images into logits; never blocks the event loop."""

    @property
    def manifest(self) -> Manifest:
        """Sizes and provenance of the loaded network, known before `start`."""

    @property
    def devices(self) -> Mapping[str, Precision]:
        """What it runs on, and in which precision on each."""

    @property
    def ready(self) -> bool:
        """A real inference has succeeded and the engine is running."""

    @property
    def failure(self) -> str | None:
        """Why the engine can never become ready, if so; for logs and probes, not for clients."""

    def wait_s(self, inside: int) -> float:
        """Seconds of work ahead of a request that came now; 0 where costs are not known yet.

        Args:
            inside: requests let in. Those that have not reached the engine yet count as one image
                and one class each. Where requests come back for a second look, they wait twice.
        """

    def cost_s(self, images: int, classes: int) -> float:
        """Seconds that a device would work on a request, by what others took lately.

        0 where costs are not known. Images alone cost more than in batches, so work that comes in
        batches may take a part of it.
        """

    async def start(self) -> None:
        """Load, warm up, and become ready; on failure `failure` says why.

        Cancelled, it leaves nothing running.
        """

    async def stop(self) -> None:
        """Answer what is still queued with an error and free the device."""

    async def register(
        self, images: Sequence[ImageU8], masks: Sequence[Coverage], *, adapt: Adapt = False
    ) -> SupportSet:
        """One prototype for each support image and its mask, in order.

        With `adapt` the answer is also adapted to these supports, by `auto` only where that
        helps on supports that were held out (`model.runtime.adaptation`).

        Raises:
            NotReadyError, QueueFullError, DeadlineExceededError, InferenceError.
        """

    async def segment(
        self, images: Sequence[ImageU8], classes: Sequence[SupportSet]
    ) -> Predictions:
        """Predictions for N images and P classes.

        Raises:
            NotReadyError, QueueFullError, DeadlineExceededError, InferenceError.
        """

    async def segment_each(
        self, images: Sequence[ImageU8], classes: Sequence[Sequence[SupportSet]]
    ) -> list[Predictions]:
        """Predictions (1, P, ...) for each image, of the classes at its own position in `classes`.

        Raises:
            NotReadyError, QueueFullError, DeadlineExceededError, InferenceError.
        """
