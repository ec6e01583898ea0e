"""Whether an image is like those that a network was trained on."""

import numpy as np
from numpy.typing import NDArray

from model.contract import Familiar
from model.runtime.encoded import Encoded

_MIN_NORM = 1e-6
# Of the distance of the training images: nearly all photographs are nearer, and hardly an image of
# a kind that the network was not trained on (docs/experiments/adaptation.md).
_SURE = 0.93


def image_vectors(encoded: Encoded) -> NDArray[np.float32]:
    """The mean over an image's cells of their L2-normalised high-level features, (B, D)."""
    high = encoded.to_numpy("high_feature")  # (B, D, h, w)
    norms = np.linalg.norm(high, axis=1, keepdims=True)
    vectors: NDArray[np.float32] = (high / np.maximum(norms, _MIN_NORM)).mean(axis=(2, 3))
    return vectors


def are_familiar(encoded: Encoded, familiar: Familiar | None) -> NDArray[np.bool_]:
    """Which images (B,) are as close to the centre as those of training; all without `familiar`."""
    return _within(encoded, familiar, 1.0)


def are_surely_familiar(encoded: Encoded, familiar: Familiar | None) -> NDArray[np.bool_]:
    """Which images (B,) are well within that distance; all without `familiar`."""
    return _within(encoded, familiar, _SURE)


def _within(encoded: Encoded, familiar: Familiar | None, share: float) -> NDArray[np.bool_]:
    if familiar is None:
        return np.ones(len(encoded), np.bool_)
    centre = np.asarray(familiar.centre, np.float32)
    distance = np.linalg.norm(image_vectors(encoded) - centre, axis=1)
    return np.asarray(distance <= share * familiar.distance, np.bool_)
