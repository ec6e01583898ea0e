"""An engine without a network: a pixel belongs to a class when its colour does.

Deterministic and instant, with masks that mean something. It lets the HTTP surface be tested and
clients be developed without a bundle.
"""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from model.contract import (
    Manifest,
    Precision,
    SupportPrototype,
    SupportSet,
    collate_classes,
    sigmoid,
)
from model.runtime import Adapt
from service.engine.base import Coverage, ImageU8, Predictions
from service.errors import NotReadyError

_SIDE = 64
_CELLS = 32
_STEEPNESS = 20.0
_PLAIN_REFIT = np.eye(1, 8, dtype=np.float32)[0]

FAKE_MANIFEST = Manifest(
    name="fake",
    revision="1",
    preset="colour",
    input_side=_SIDE,
    feature_side=_CELLS,
    channels=3,
    high_channels=3,
    mean=(0.0, 0.0, 0.0),
    std=(1.0, 1.0, 1.0),
    threshold=0.5,
    presence_threshold=0.5,
    max_shot_bytes=1024,
    opset=1,
    graphs={},
    metrics={},
)


class FakeEngine:
    """Compares mean colours: affinity holds the object's, guided the background's."""

    def __init__(self) -> None:
        self.manifest = FAKE_MANIFEST
        self.devices: Mapping[str, Precision] = {"fake": "fp32"}
        self.ready = False
        self.failure: str | None = None

    def wait_s(self, inside: int) -> float:
        """None: it is instant."""
        return 0.0

    def cost_s(self, images: int, classes: int) -> float:
        """Nothing: it is instant."""
        return 0.0

    async def start(self) -> None:
        """Become ready."""
        self.ready = True

    async def stop(self) -> None:
        """Cease to be ready."""
        self.ready = False

    async def register(
        self, images: Sequence[ImageU8], masks: Sequence[Coverage], *, adapt: Adapt = False
    ) -> SupportSet:
        """One prototype for each support; a refit is the plain one: colours need none."""
        features = self._encode(images)
        shots = tuple(_prototype(f, m) for f, m in zip(features, masks, strict=True))
        return SupportSet(shots, refit=_PLAIN_REFIT if adapt is True else None)

    async def segment(
        self, images: Sequence[ImageU8], classes: Sequence[SupportSet]
    ) -> Predictions:
        """See `Engine.segment`."""
        return self._answer(images, classes)

    async def segment_each(
        self, images: Sequence[ImageU8], classes: Sequence[Sequence[SupportSet]]
    ) -> list[Predictions]:
        """See `Engine.segment_each`."""
        return [self._answer([image], each) for image, each in zip(images, classes, strict=True)]

    def _answer(self, images: Sequence[ImageU8], classes: Sequence[SupportSet]) -> Predictions:
        """The surest cell tells whether a class is there."""
        features = self._encode(images)[:, None]  # (N, 1, h, h, 3)
        inputs = collate_classes(classes)

        def distance(colours: NDArray[np.float32]) -> NDArray[np.float32]:
            difference = features - colours[None, :, None, None]  # (N, P, h, h, 3)
            return np.asarray(np.linalg.norm(difference, axis=-1), np.float32)

        logits = _STEEPNESS * (distance(inputs.guided) - distance(inputs.affinity))
        corrected = np.ones(logits.shape[:2], np.bool_)
        return Predictions(logits, sigmoid(logits.max(axis=(2, 3))), corrected)

    def _encode(self, images: Sequence[ImageU8]) -> NDArray[np.float32]:
        """Colours in [0, 1] on the feature grid, (B, h, h, 3)."""
        if not self.ready:
            raise NotReadyError
        return np.stack([_shrink(image) for image in images]) / np.float32(255)


def _shrink(pixels: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
    cells = cv2.resize(pixels, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
    return np.asarray(cells, np.float32)


def _prototype(feature: NDArray[np.float32], mask: Coverage) -> SupportPrototype:
    share = _shrink(mask)[..., None]  # (h, h, 1)
    inside = _weighted_mean(feature, share)
    outside = _weighted_mean(feature, 1 - share)
    length = max(float(np.linalg.norm(inside)), 1e-6)
    vectors = (inside, outside, np.full(3, 0.5, np.float32), (inside / length)[None])
    return SupportPrototype(*(array.astype(np.float16) for array in vectors))


def _weighted_mean(
    feature: NDArray[np.float32], weight: NDArray[np.float32]
) -> NDArray[np.float32]:
    total = (feature * weight).sum(axis=(0, 1)) / max(float(weight.sum()), 1e-6)
    return np.asarray(total, np.float32)  # (3,)
